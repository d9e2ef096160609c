/* What one side of an SMTP connection offers in its EHLO reply (RFC 5321 section 4.1.1.1 and the
 * extensions' RFCs). */
#pragma once

#include <glib.h>

typedef enum
{
  SMTP_CAP_PIPELINING = 1 << 0,          /* RFC 2920 */
  SMTP_CAP_8BITMIME = 1 << 1,            /* RFC 6152 */
  SMTP_CAP_SIZE = 1 << 2,                /* RFC 1870 */
  SMTP_CAP_SMTPUTF8 = 1 << 3,            /* RFC 6531 */
  SMTP_CAP_DSN = 1 << 4,                 /* RFC 3461 */
  SMTP_CAP_ENHANCEDSTATUSCODES = 1 << 5, /* RFC 2034 */
  SMTP_CAP_STARTTLS = 1 << 6,            /* RFC 3207 */
  SMTP_CAP_CHUNKING = 1 << 7,            /* RFC 3030 */
  SMTP_CAP_BINARYMIME = 1 << 8,          /* RFC 3030 */
  SMTP_CAP_AUTH = 1 << 9,                /* RFC 4954 */
  SMTP_CAP_XCLIENT = 1 << 10,
  SMTP_CAP_XFORWARD = 1 << 11,
  SMTP_CAP_HELP = 1 << 12,
  /* The mechanisms of AUTH that a relay can pass on step by step: none that is bound to the
   * connection (EXTERNAL, "-PLUS") or to the server's name. Others are not kept. */
  SMTP_CAP_AUTH_PLAIN = 1 << 16,
  SMTP_CAP_AUTH_LOGIN = 1 << 17,
  SMTP_CAP_AUTH_CRAM_MD5 = 1 << 18,
  SMTP_CAP_AUTH_DIGEST_MD5 = 1 << 19,
  SMTP_CAP_AUTH_SCRAM_SHA_1 = 1 << 20,
  SMTP_CAP_AUTH_SCRAM_SHA_256 = 1 << 21,
  SMTP_CAP_AUTH_SCRAM_SHA_512 = 1 << 22,
  SMTP_CAP_AUTH_XOAUTH2 = 1 << 23,
  SMTP_CAP_AUTH_OAUTHBEARER = 1 << 24,
  SMTP_CAP_AUTH_NTLM = 1 << 25
} SmtpCap;

typedef struct
{
  guint32 flags; /* of SmtpCap */
  guint64 size;  /* with SMTP_CAP_SIZE: the largest message in octets; 0: no fixed maximum */
} SmtpCapabilities;

/* What both can do: the flags of both, the smaller size limit (0 is no limit; it is also kept where
 * only one offers SIZE). */
SmtpCapabilities smtp_capabilities_intersect (SmtpCapabilities a, SmtpCapabilities b);

/* Reads one line of an EHLO reply ("SIZE 1000", without code and CRLF), any case, into
 * `capabilities`; an unknown keyword changes nothing, a malformed size is no limit. */
void smtp_capabilities_parse_line (SmtpCapabilities *capabilities, const gchar *line, gsize length);

/* The EHLO keyword lines for these capabilities, separated by '\n', in a fixed order; "" when there
 * are none. AUTH, XCLIENT and XFORWARD are left out: their lines carry arguments, which the server
 * machine adds. Caller frees. */
gchar *smtp_capabilities_to_lines (SmtpCapabilities capabilities);
/* Whether the line begins with a keyword that is ours to offer, or not to. */
gboolean smtp_capabilities_own (const gchar *line);
/* The mechanisms of AUTH among these capabilities, strongest first, with spaces between them; NULL:
 * none. Caller frees. */
gchar *smtp_capabilities_mechanisms (SmtpCapabilities capabilities);
