/* Is this certificate the one we want? Chain, dates and name by OpenSSL, pins by us, and the answer in words that help. */
#include "net/tls_parts.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define PIN_PREFIX "sha256$"
#define SAN_CAP 4096 /* octets of names that are looked at */

/* Copies with everything made harmless; cut at the end of out. */
static void text_keep(struct span text, char *out, size_t size)
{
	struct buf buf;

	buf_init(&buf, SAN_CAP * 8);
	if (text_harmless(span_sub(text, 0, SAN_CAP), &buf) < 0)
		buf_clear(&buf);
	(void)snprintf(out, size, "%s", buf_text(&buf));
	buf_release(&buf);
}

static void name_keep(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;

	out[0] = '\0';
	if (!bio)
		return;
	if (X509_NAME_print_ex(
		    bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		const long len = BIO_get_mem_data(bio, &data);
		text_keep(span_make(data, len > 0 ? (size_t)len : 0), out, size);
	}
	BIO_free(bio);
}

static int64_t asn1_instant(const ASN1_TIME *time)
{
	struct tm tm = { .tm_year = 0 };

	return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int general_name_add(const GENERAL_NAME *name, struct buf *out)
{
	char address[INET6_ADDRSTRLEN] = "";
	const ASN1_STRING *string;

	if (name->type == GEN_DNS) {
		string = name->d.dNSName;
		return buf_print(out, "%s%.*s", out->len > 0 ? ", " : "",
			ASN1_STRING_length(string), (const char *)ASN1_STRING_get0_data(string));
	}
	if (name->type != GEN_IPADD)
		return 0;
	string = name->d.iPAddress;
	const int family = ASN1_STRING_length(string) == 16 ? AF_INET6 : AF_INET;
	if (ASN1_STRING_length(string) != 4 && ASN1_STRING_length(string) != 16)
		return 0;
	if (!inet_ntop(family, ASN1_STRING_get0_data(string), address, sizeof(address)))
		return 0;
	return buf_print(out, "%s%s", out->len > 0 ? ", " : "", address);
}

/* "a.example, *.b.example, 192.0.2.1", or the common name of a certificate that has no such list. */
static void names_keep(X509 *cert, char *out, size_t size)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	struct buf text;

	buf_init(&text, SAN_CAP);
	for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++)
		if (general_name_add(sk_GENERAL_NAME_value(names, i), &text) < 0)
			break;
	GENERAL_NAMES_free(names);
	if (text.len == 0) {
		char common[256] = "";
		const int len = X509_NAME_get_text_by_NID(
			X509_get_subject_name(cert), NID_commonName, common, sizeof(common));
		if (len > 0 &&
			buf_add(&text, span_make(common, strnlen(common, sizeof(common)))) < 0)
			buf_clear(&text);
	}
	text_keep(buf_span(&text), out, size);
	buf_release(&text);
}

static void pin_of(X509 *cert, char *out, size_t size)
{
	unsigned char *der = NULL, digest[DIGEST_SIZE];
	const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	char hex[2 * DIGEST_SIZE + 1];

	out[0] = '\0';
	if (len <= 0)
		return;
	digest_bytes(span_make((const char *)der, (size_t)len), digest);
	OPENSSL_free(der);
	digest_hex(digest, sizeof(digest), hex);
	(void)snprintf(out, size, PIN_PREFIX "%s", hex);
}

static void facts_keep(struct tls_facts *facts, X509 *cert)
{
	name_keep(X509_get_subject_name(cert), facts->subject, sizeof(facts->subject));
	name_keep(X509_get_issuer_name(cert), facts->issuer, sizeof(facts->issuer));
	names_keep(cert, facts->names, sizeof(facts->names));
	facts->not_before = asn1_instant(X509_get0_notBefore(cert));
	facts->not_after = asn1_instant(X509_get0_notAfter(cert));
	pin_of(cert, facts->pin, sizeof(facts->pin));
}

/* Both ways of writing a digest that people paste: with colons and without, in either case; "sha256$" may be missing. */
static bool pin_equal(const char *wanted, const char *seen)
{
	const size_t prefix = strlen(PIN_PREFIX);

	if (strncasecmp(wanted, PIN_PREFIX, prefix) == 0)
		wanted += prefix;
	seen += prefix;
	for (; *wanted; wanted++) {
		if (*wanted == ':')
			continue;
		if (!*seen || tolower((unsigned char)*wanted) != *seen)
			return false;
		seen++;
	}
	return !*seen;
}

static bool pins_match(const struct tls_options *options, const char *seen)
{
	for (size_t i = 0; i < options->pin_count; i++)
		if (*seen && pin_equal(options->pins[i], seen))
			return true;
	return false;
}

/* Nobody we trust vouches for the key: what a pin stands in for. A wrong name or date it does not excuse. */
static bool problem_is_trust(int problem)
{
	switch (problem) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
		return true;
	default:
		return false;
	}
}

static struct tls_check *check_of(X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());

	return SSL_get_app_data(ssl);
}

/* OpenSSL asks at every problem it finds in the chain. */
static int check_note(int good, X509_STORE_CTX *store)
{
	struct tls_check *check = check_of(store);
	const int problem = X509_STORE_CTX_get_error(store);
	X509 *cert = X509_STORE_CTX_get_current_cert(store);

	if (good)
		return 1;
	if (check->pinned && problem_is_trust(problem)) {
		check->excused = true;
		return 1;
	}
	check->problem = problem;
	check->depth = X509_STORE_CTX_get_error_depth(store);
	if (cert) {
		const bool early = problem == X509_V_ERR_CERT_NOT_YET_VALID;
		check->bad_date =
			asn1_instant(early ? X509_get0_notBefore(cert) : X509_get0_notAfter(cert));
		name_keep(
			check->depth > 0 ? X509_get_subject_name(cert) : X509_get_issuer_name(cert),
			check->bad_name, sizeof(check->bad_name));
	}
	return 0;
}

/* Replaces OpenSSL's verification of the chain as a whole, so that facts and pins are there whatever comes out. */
static int check_run(X509_STORE_CTX *store, void *argument)
{
	struct tls_check *check = argument;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	if (!leaf)
		return 0;
	facts_keep(check->facts, leaf);
	check->pinned = pins_match(check->options, check->facts->pin);
	X509_STORE_CTX_set_verify_cb(store, check_note);
	const bool good = X509_verify_cert(store) == 1;
	if (!good && check->problem == 0)
		check->problem = X509_V_ERR_UNSPECIFIED;

	check->refused = (check->options->verify && !good) ||
			 (check->options->pin_count > 0 && !check->pinned);
	(void)snprintf(check->facts->verified, sizeof(check->facts->verified), "%s",
		good ? (check->excused ? "ok, by its pin" : "ok")
		     : X509_verify_cert_error_string(check->problem));
	if (!check->refused)
		X509_STORE_CTX_set_error(store, X509_V_OK);
	else if (X509_STORE_CTX_get_error(store) == X509_V_OK)
		X509_STORE_CTX_set_error(
			store, X509_V_ERR_CERT_REJECTED); /* the pin; decides the alert */
	return !check->refused;
}

int tls_check_attach(struct tls_check *check, SSL_CTX *ctx, SSL *ssl, struct err *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	const char *host = check->options->host;
	int rc = 0;

	SSL_set_app_data(ssl, check);
	SSL_CTX_set_cert_verify_callback(ctx, check_run, check);
	/* The mode only says that there must be a certificate; check_run() decides on it. */
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (host)
		rc = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ||
				     X509_VERIFY_PARAM_set1_host(param, host, 0) == 1
			     ? 0
			     : -1;
	if (rc < 0 || (!host && check->options->verify))
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"there is no host name to check the certificate against");
	return 0;
}

static void date_print(int64_t instant, char *out, size_t size)
{
	const time_t seconds = (time_t)instant;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&seconds, &tm))
		(void)strftime(out, size, "%Y-%m-%d", &tm);
}

static int explain_date(const struct tls_check *check, struct err *err)
{
	const bool early = check->problem == X509_V_ERR_CERT_NOT_YET_VALID;
	char date[32], today[32], whose[288] = "";

	date_print(check->bad_date, date, sizeof(date));
	date_print(clock_wall(), today, sizeof(today));
	if (check->depth > 0)
		(void)snprintf(whose, sizeof(whose), " of its issuer %s", check->bad_name);
	if (early)
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"certificate%s is valid only from %s on, and this machine's clock says %s: is it right?",
			whose, date, today);
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
		"certificate%s expired on %s (this machine's clock says %s): the server needs a new one",
		whose, date, today);
}

static int explain_pin(const struct tls_check *check, struct err *err)
{
	return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
		"the server's key is %s, which %s tls-pin: someone may be in between, or the server has a new key",
		check->facts->pin,
		check->options->pin_count > 1 ? "is none of those in" : "is not the one in");
}

int tls_check_explain(const struct tls_check *check, struct err *err)
{
	const struct tls_facts *facts = check->facts;

	if (check->options->pin_count > 0 && !check->pinned)
		return explain_pin(check, err);

	switch (check->problem) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return explain_date(check, err);
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"certificate is self-signed: if it is the right one, add ca-file=FILE or tls-pin=%s",
			facts->pin);
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"certificate is from %s, whom nobody here vouches for: if it is the right one, add ca-file=FILE or tls-pin=%s",
			facts->issuer, facts->pin);
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"certificate is for %s, not %s: connect by a name it covers",
			*facts->names ? facts->names : facts->subject, check->options->host);
	default:
		return err_set_kind(err, ERR_ACCOUNT, ERR_KIND_TLS,
			"certificate is not trusted: %s",
			X509_verify_cert_error_string(check->problem));
	}
}

/* Does the directory hold certificates under their hashes ("1a2b3c4d.0"), as c_rehash makes them? */
static bool dir_is_hashed(const char *path)
{
	DIR *dir = opendir(path);
	bool found = false;

	if (!dir)
		return false;
	for (const struct dirent *entry = readdir(dir); entry && !found; entry = readdir(dir))
		found = strlen(entry->d_name) == 10 &&
			strspn(entry->d_name, "0123456789abcdef") == 8 && entry->d_name[8] == '.' &&
			isdigit((unsigned char)entry->d_name[9]);
	(void)closedir(dir);
	return found;
}

int tls_trust(SSL_CTX *ctx, const struct tls_options *options, struct err *err)
{
	if (options->ca_file && SSL_CTX_load_verify_file(ctx, options->ca_file) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE,
			"ca-file: no certificates can be read from %s", options->ca_file);
	if (options->ca_path && SSL_CTX_load_verify_dir(ctx, options->ca_path) != 1)
		return err_set_kind(err, ERR_LOCAL, ERR_KIND_USAGE, "ca-path: %s cannot be used",
			options->ca_path);
	if (options->ca_file || options->ca_path)
		return 0;

	/*
	 * The hashed directory is looked into when a certificate is needed; the bundle is parsed whole, some megabytes for one connection.
	 * It is for systems without the directory, and for those who name it in the environment.
	 */
	const char *dir = getenv(X509_get_default_cert_dir_env());
	if (!dir)
		dir = X509_get_default_cert_dir();
	const bool hashed = dir_is_hashed(dir);
	if (hashed && SSL_CTX_set_default_verify_dir(ctx) != 1)
		return err_set(err, ERR_LOCAL, "the system's certificates cannot be used");
	if ((!hashed || getenv(X509_get_default_cert_file_env())) &&
		SSL_CTX_set_default_verify_file(ctx) != 1)
		return err_set(err, ERR_LOCAL, "the system's certificates cannot be used");
	return 0;
}
