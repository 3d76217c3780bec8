#include "base/signature.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#define KEY_FILE_MAX 65536

/* A passphrase is nobody's to type here: the key is refused. The type is OpenSSL's pem_password_cb. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static EVP_PKEY *parse_key(struct span pem, bool is_private)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = NULL;

	if (bio && is_private)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	else if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (key && EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

static EVP_PKEY *read_key(const char *path, bool is_private, struct err *err)
{
	struct arena *arena = arena_new();
	struct span pem;
	EVP_PKEY *key = NULL;
	const int rc = is_private ? path_read_secret(path, KEY_FILE_MAX, arena, &pem, err)
				  : path_read(path, KEY_FILE_MAX, arena, &pem, err);

	if (rc == 0) {
		key = parse_key(pem, is_private);
		if (!key)
			err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
				"%s: not an Ed25519 %s key in PEM form%s", path,
				is_private ? "private" : "public",
				is_private ? " without passphrase" : "");
		if (is_private)
			OPENSSL_cleanse((void *)(uintptr_t)pem.data, pem.len);
	}
	arena_free(arena);
	return key;
}

int signature_make(
	const char *key_file, struct span text, unsigned char out[SIGNATURE_SIZE], struct err *err)
{
	EVP_PKEY *key = read_key(key_file, true, err);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = SIGNATURE_SIZE;
	int rc = -1;

	if (key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestSign(context, out, &len, (const unsigned char *)text.data, text.len) ==
			1 &&
		len == SIGNATURE_SIZE)
		rc = 0;
	else if (key)
		(void)err_set(err, ERR_LOCAL, "%s: cannot sign with this key", key_file);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return rc;
}

int signature_check(const char *key_file, struct span text,
	const unsigned char signature[SIGNATURE_SIZE], struct err *err)
{
	EVP_PKEY *key = read_key(key_file, false, err);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int rc = -1;

	if (key && context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestVerify(context, signature, SIGNATURE_SIZE,
			(const unsigned char *)text.data, text.len) == 1)
		rc = 0;
	else if (key)
		(void)err_set_kind(err, ERR_LOCAL, ERR_KIND_SAFETY,
			"the signature is not that of %s", key_file);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return rc;
}
