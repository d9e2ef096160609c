/* Mailbox addresses and paths (RFC 5321 section 4.1.2, RFC 6531 section 3.3). Addresses are kept
 * without their angle brackets; the null reverse-path is the empty string. */
#pragma once

#include <glib.h>

#define BASE_ADDRESS_MAX_LOCAL                                                                     \
  64 /* RFC 5321 section 4.5.3.1.1; longer is accepted up to the path's limit */
#define BASE_ADDRESS_MAX_PATH 1024 /* RFC asks for 256; some real bounce addresses are longer */
#define BASE_ADDRESS_MAX_DOMAIN 255

typedef enum
{
  BASE_PATH_NULL = 1 << 0,       /* "<>" is allowed (MAIL) */
  BASE_PATH_POSTMASTER = 1 << 1, /* "<Postmaster>" without a domain is allowed (RCPT) */
  BASE_PATH_UTF8 = 1 << 2, /* octets over 127 are allowed if they are valid UTF-8 (SMTPUTF8) */
} BasePathFlags;

typedef enum
{
  BASE_ADDRESS_ERROR_SYNTAX,
  BASE_ADDRESS_ERROR_TOO_LONG,
  BASE_ADDRESS_ERROR_UTF8, /* octets over 127 without BASE_PATH_UTF8 */
} BaseAddressError;
#define BASE_ADDRESS_ERROR (base_address_error_quark ())
GQuark base_address_error_quark (void);

/* Reads a path at the start of `text`: "<local@domain>", with an old source route
 * "<@a,@b:local@domain>" dropped, or without brackets (as widely sent: up to the next space).
 * Returns the address (caller frees) and in `used` how far it went; the error's message contains
 * the offending text. */
gchar *base_path_parse (const gchar *text, gsize length, BasePathFlags flags, gsize *used,
                        GError **error);

/* The domain of an address (behind the last '@' outside quotes), inside the same string; NULL when
 * there is none. */
const gchar *base_address_domain (const gchar *address);

/* A host name, or an address literal in brackets, as HELO and EHLO take them: lenient as real
 * clients are (underscores pass), but without control characters, spaces, '<' or '>'. */
gboolean base_domain_is_valid (const gchar *domain, gsize length);

/* The same as the domain of an address must be: an address literal, or labels of letters, digits,
 * '-', '_' and UTF-8, none of them empty; a last dot passes. Nothing that could be read as another
 * delimiter. */
gboolean base_domain_is_strict (const gchar *domain, gsize length);

/* Whether `domain` is claimed by `pattern`: "example.org" itself, ".example.org" all below it, "*"
 * all. Case-insensitive. Returns how specific the match is (0: none), so that the most specific of
 * several can win. NULL, as of "postmaster", is claimed by "*" alone. */
guint base_domain_match (const gchar *pattern, const gchar *domain);

/* Case-insensitive glob with '*' and '?' over a whole address or name (no backtracking bombs:
 * linear in the text for each '*'). */
gboolean base_glob_match (const gchar *pattern, const gchar *text);
