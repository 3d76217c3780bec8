/* Any bytes as the configuration file: no crash, and every refusal names a line. */
#include "store/account.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct config *config = config_read(span_make((const char *)data, size), "conf", &err);
	const char *location = NULL;

	if (!config) {
		if (strncmp(err.text, "conf:", 5) != 0 || err.kind != ERR_KIND_USAGE)
			abort();
		return 0;
	}
	if (config_account(config, "a", &location)) {
		const struct account_request request = {
			.location = "a", .config = config, .user = "u"
		};
		struct account *account = location && strstr(location, "pass-env")
						  ? NULL
						  : account_new(&request, &err);

		account_free(account);
	}
	const struct config_job *job = config_job(config, "j");
	if (job)
		for (size_t i = 0; i < job->count; i++)
			if (!job->arguments[i])
				abort();
	config_free(config);
	return 0;
}
