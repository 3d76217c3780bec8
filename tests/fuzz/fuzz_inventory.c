/* Any lines as a manifest of `compare`: no crash, and what is believed can be read. Every other input gets the seal that makes it whole. */
#include "store/inventory.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/os.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *context, const struct inventory_message *message, struct err *err)
{
	uint32_t *last = context;

	(void)err;
	if (message->uid <= *last)
		abort();
	*last = message->uid;
	return 0;
}

static void write_it(const char *path, struct span lines, bool seal_it)
{
	unsigned char sum[DIGEST_SIZE];
	const int fd = os_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char hex[2 * DIGEST_SIZE + 1];
	struct buf whole;

	buf_init(&whole, lines.len + 256);
	digest_bytes(lines, sum);
	digest_hex(sum, sizeof(sum), hex);
	if (buf_add(&whole, lines) < 0 ||
		(seal_it && buf_print(&whole,
				    "{\"type\":\"digest\",\"sha256\":\"%s\",\"signature\":null}\n",
				    hex) < 0) ||
		fd < 0 || os_write(fd, whole.data, whole.len) != (ssize_t)whole.len)
		abort();
	(void)os_close(fd);
	buf_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char top[] = "/tmp/mailhaul-fuzz-inventory-XXXXXX", path[sizeof(top) + 2];
	struct inventory *inventory;

	if (size == 0)
		return 0;
	if (!*path && !mkdtemp(top))
		abort();
	(void)snprintf(path, sizeof(path), "%s/m", top);
	write_it(path, span_make((const char *)data + 1, size - 1), data[0] % 2);
	inventory = inventory_open(path, NULL, NULL);
	for (size_t i = 0; inventory && i < inventory_boxes(inventory); i++) {
		const struct inventory_box *box = inventory_box_at(inventory, i);
		uint32_t last = 0;

		if (inventory_find(inventory, box->name) != box ||
			inventory_read(inventory, box, take, &last, NULL) < 0)
			abort();
	}
	inventory_close(inventory);
	return 0;
}
