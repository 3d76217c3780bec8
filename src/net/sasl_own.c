/* The mechanisms that GNU SASL does not know: OAUTHBEARER, XOAUTH2, and two vendors' ways for an administrator. */
#include "net/sasl_parts.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "net/secret.h"

#include <openssl/evp.h>
#include <string.h>

/* RFC 5801 §4, saslname: "," and "=" would end the field. */
static int saslname_add(struct buf *out, const char *name)
{
	for (; *name; name++) {
		int rc;
		if (*name == ',')
			rc = buf_add(out, SPAN("=2C"));
		else if (*name == '=')
			rc = buf_add(out, SPAN("=3D"));
		else
			rc = buf_add_char(out, *name);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* RFC 7628 §3.1: gs2-header kvsep *(key "=" value kvsep) kvsep */
static int oauthbearer_first(const struct sasl *sasl, struct buf *out)
{
	if (buf_add(out, SPAN("n,a=")) < 0 || saslname_add(out, sasl->user) < 0 ||
		buf_add(out, SPAN(",\1")) < 0)
		return -1;
	if (sasl->host && buf_print(out, "host=%s\1", sasl->host) < 0)
		return -1;
	if (sasl->port > 0 && buf_print(out, "port=%u\1", sasl->port) < 0)
		return -1;
	if (buf_add(out, SPAN("auth=Bearer ")) < 0 || buf_add(out, secret_bytes(sasl->token)) < 0)
		return -1;
	return buf_add(out, SPAN("\1\1"));
}

/* As Google and Microsoft document it; there is no RFC. */
static int xoauth2_first(const struct sasl *sasl, struct buf *out)
{
	if (buf_print(out, "user=%s\1auth=Bearer ", sasl->user) < 0 ||
		buf_add(out, secret_bytes(sasl->token)) < 0)
		return -1;
	return buf_add(out, SPAN("\1\1"));
}

/*
 * The value of "status" in the error challenge: "invalid_token" (RFC 7628 §3.2.2, RFC 6750 §3.1), or the HTTP status 401 (XOAUTH2; "400" is
 * what Google sends for a token that has expired). Looked for rather than parsed: more of the JSON is of no use.
 */
static bool status_means_expired(struct span json)
{
	static const struct span key = { "\"status\"", 8 };
	size_t at = 0;

	while (at + key.len <= json.len && !span_starts(span_from(json, at), key))
		at++;
	if (at + key.len > json.len)
		return false;

	struct span value = span_trim(span_from(json, at + key.len));
	while (value.len > 0 &&
		(value.data[0] == ':' || value.data[0] == '"' || value.data[0] == ' '))
		value = span_from(value, 1);
	return span_starts(value, SPAN("invalid_token")) || span_starts(value, SPAN("401")) ||
	       span_starts(value, SPAN("400"));
}

static bool oauth_is_bearer(const struct sasl *sasl)
{
	return strcmp(sasl->mechanism->wire, "OAUTHBEARER") == 0;
}

static int oauth_open(struct sasl *sasl, struct err *err)
{
	const struct span token = secret_bytes(sasl->token);

	if (!sasl->user || strchr(sasl->user, 1))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
			"the user name cannot be used with OAuth");
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
				"the token holds blanks or control characters: is it really an access token?");
	return 0;
}

static int oauth_step(struct sasl *sasl, struct span challenge, struct buf *out, struct err *err)
{
	if (sasl->steps > 1 && challenge.len == 0)
		return 0;
	if (sasl->steps > 1) {
		/* The error report. It is answered, and then the server says NO (RFC 7628 §3.2.3). */
		sasl->token_expired = status_means_expired(challenge);
		return oauth_is_bearer(sasl) ? buf_add(out, SPAN("\1")) : 0;
	}
	if ((oauth_is_bearer(sasl) ? oauthbearer_first(sasl, out) : xoauth2_first(sasl, out)) < 0)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH, "the token is too long");
	return 0;
}

const struct sasl_engine sasl_oauth = { .open = oauth_open, .step = oauth_step };

/*
 * Novell's GroupWise trusted application: the answer is the mechanism's name, a blank and base64 of NAME NUL KEY. Name and key come as
 * one secret "NAME KEY", or the name as the administrator.
 */
static int trusted_app_step(
	struct sasl *sasl, struct span challenge, struct buf *out, struct err *err)
{
	struct span key = secret_bytes(sasl->password), name = span_of(sasl->admin);
	struct buf plain;

	(void)challenge;
	if (sasl->steps > 1)
		return 0;
	if (!sasl->admin) {
		const size_t blank = span_find(key, ' ');
		if (blank == SIZE_MAX)
			return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_USAGE,
				"auth=xgwtrustedapp wants the application's name and key, parted by a blank, as the password");
		name = span_sub(key, 0, blank);
		key = span_trim(span_from(key, blank));
	}
	buf_init(&plain, SASL_CAP / 2);
	int rc = buf_add(&plain, name) < 0 || buf_add_char(&plain, '\0') < 0 ||
				 buf_add(&plain, key) < 0
			 ? -1
			 : 0;
	if (rc == 0)
		rc = buf_print(out, "XGWTRUSTEDAPP ") < 0 ||
				     base64_encode(buf_span(&plain), out) < 0
			     ? -1
			     : 0;
	secret_wipe(plain.data, plain.room);
	buf_release(&plain);
	return rc == 0 ? 0
		       : err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
				 "the application's key is too long");
}

const struct sasl_engine sasl_trusted_app = { .step = trusted_app_step };

/* Kerio Connect's master password: the lower-case hexadecimal MD5 of the challenge's text followed by the password. */
static int kerio_step(struct sasl *sasl, struct span challenge, struct buf *out, struct err *err)
{
	const struct span password = secret_bytes(sasl->password);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned len = 0;

	if (sasl->steps > 1)
		return 0;

	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const struct span text = span_trim(challenge);
	const bool good = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
			  EVP_DigestUpdate(ctx, text.data, text.len) == 1 &&
			  EVP_DigestUpdate(ctx, password.data, password.len) == 1 &&
			  EVP_DigestFinal_ex(ctx, digest, &len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"auth=kerio-master needs MD5, which this system's OpenSSL forbids");
	digest_hex(digest, len, hex);
	return buf_add(out, span_of(hex)) < 0 ? -1 : 0;
}

const struct sasl_engine sasl_kerio = { .step = kerio_step };
