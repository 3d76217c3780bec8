/* The mechanisms that GNU SASL knows. */
#include "net/sasl_parts.h"

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/secret.h"
#include "net/tls.h"

#include <string.h>

static int gnu_fail(const struct sasl *sasl, int rc, struct err *err)
{
	switch (rc) {
	case GSASL_AUTHENTICATION_ERROR:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"%s: the server could not prove that it knows the password: it may be an impostor",
			sasl->mechanism->wire);
	case GSASL_UNKNOWN_MECHANISM:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"%s is missing in this system's GNU SASL", sasl->mechanism->wire);
	case GSASL_SASLPREP_ERROR:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"%s: user name or password has characters that are not allowed there (RFC 4013)",
			sasl->mechanism->wire);
	case GSASL_MECHANISM_PARSE_ERROR:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH,
			"%s: the server's challenge makes no sense", sasl->mechanism->wire);
	default:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH, "%s: %s",
			sasl->mechanism->wire, gsasl_strerror(rc));
	}
}

static int gnu_set(struct sasl *sasl, Gsasl_property property, const char *value)
{
	return value ? gsasl_property_set(sasl->session, property, value) : GSASL_OK;
}

/* Whichever binding the connection has; with neither, sasl_choose() does not come here. */
static int gnu_set_binding(struct sasl *sasl)
{
	const struct tls_facts *tls = sasl->tls;
	struct buf text;
	int rc = GSASL_OK;

	if (!tls)
		return GSASL_OK;
	buf_init(&text, 256);
	if (tls->has_exporter) {
		if (base64_encode(span_make((const char *)tls->exporter, sizeof(tls->exporter)),
			    &text) == 0)
			rc = gsasl_property_set(
				sasl->session, GSASL_CB_TLS_EXPORTER, buf_text(&text));
	} else if (tls->unique_len > 0) {
		if (base64_encode(span_make((const char *)tls->unique, tls->unique_len), &text) ==
			0)
			rc = gsasl_property_set(
				sasl->session, GSASL_CB_TLS_UNIQUE, buf_text(&text));
	}
	buf_release(&text);
	return rc;
}

static int gnu_set_all(struct sasl *sasl)
{
	const struct span password = secret_bytes(sasl->password);
	const unsigned traits = sasl->mechanism->traits;
	int rc = gnu_set(sasl, GSASL_AUTHID, sasl->admin ? sasl->admin : sasl->user);

	/*
	 * An authorization identity is named where it differs, and where the mechanism takes the authentication identity from elsewhere
	 * (a certificate, a ticket).
	 */
	const bool names_user = sasl->admin || !(traits & SASL_NEEDS_PASSWORD);
	if (rc == GSASL_OK && names_user && (traits & SASL_CARRIES_AUTHZID))
		rc = gnu_set(sasl, GSASL_AUTHZID, sasl->user);
	if (rc == GSASL_OK && (traits & SASL_NEEDS_PASSWORD))
		rc = gsasl_property_set_raw(
			sasl->session, GSASL_PASSWORD, password.data, password.len);
	if (rc == GSASL_OK)
		rc = gnu_set(sasl, GSASL_SERVICE, sasl->service);
	if (rc == GSASL_OK)
		rc = gnu_set(sasl, GSASL_HOSTNAME, sasl->host);
	/* Only for -PLUS: set for the others, it would accuse the server of hiding -PLUS (RFC 5802 §6, the "y" flag). */
	if (rc == GSASL_OK && (traits & SASL_BINDS_CHANNEL))
		rc = gnu_set_binding(sasl);
	return rc;
}

static int gnu_open(struct sasl *sasl, struct err *err)
{
	int rc = gsasl_init(&sasl->gsasl);

	if (rc == GSASL_OK)
		rc = gsasl_client_start(sasl->gsasl, sasl->mechanism->wire, &sasl->session);
	if (rc == GSASL_OK)
		rc = gnu_set_all(sasl);
	return rc == GSASL_OK ? 0 : gnu_fail(sasl, rc, err);
}

static int gnu_step(struct sasl *sasl, struct span challenge, struct buf *out, struct err *err)
{
	char *answer = NULL;
	size_t size = 0;

	/* Some servers send one more empty challenge after theirs was answered in full. */
	if (sasl->done && challenge.len == 0)
		return 0;

	const bool first = sasl->steps == 1 && challenge.len == 0;
	const int rc = gsasl_step(sasl->session, first ? NULL : challenge.data,
		first ? 0 : challenge.len, &answer, &size);
	int result = rc == GSASL_NEEDS_MORE ? 1 : 0;
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
		result = gnu_fail(sasl, rc, err);
	else if (buf_add(out, span_make(answer, size)) < 0)
		result = err_set_kind(err, ERR_ACCOUNT, ERR_KIND_AUTH, "%s: the answer is too long",
			sasl->mechanism->wire);
	secret_wipe(answer, size);
	gsasl_free(answer);
	return result;
}

static void gnu_close(struct sasl *sasl)
{
	/* GNU SASL gives its copy of the password back unwiped; a property set again is overwritten first where it fits. */
	char *copy =
		sasl->session ? (char *)gsasl_property_fast(sasl->session, GSASL_PASSWORD) : NULL;

	if (copy)
		secret_wipe(copy, strlen(copy));
	if (sasl->session)
		gsasl_finish(sasl->session);
	if (sasl->gsasl)
		gsasl_done(sasl->gsasl);
}

const struct sasl_engine sasl_gnu = { .open = gnu_open, .step = gnu_step, .close = gnu_close };
