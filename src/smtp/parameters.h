/* The ESMTP parameters of MAIL and RCPT: which there are, which extension each belongs to, what a
 * well-formed value is. */
#pragma once

#include "base/path.h"
#include "base/reply.h"
#include "smtp/capability.h"

#define SMTP_PARAMETERS_MAX 20        /* of one path */
#define SMTP_PARAMETER_MAX_LENGTH 512 /* octets of one parameter, keyword and '=' included */

/* The capabilities that an upstream must offer before it may be sent this path's parameters
 * (address or parameter octets over 127 need SMTPUTF8; BODY=7BIT and SIZE need nothing: they are
 * left out where they are not offered). */
guint32 smtp_parameters_needs (const BasePath *path);
/* The same for a single parameter, "KEYWORD" or "KEYWORD=value" (keyword in upper case). */
guint32 smtp_parameter_needs (const gchar *parameter);

typedef enum
{
  SMTP_PARAMETER_OF_MAIL,
  SMTP_PARAMETER_OF_RCPT
} SmtpParameterSide;

/* Checks the parameters of a path against the table of the extensions: keyword known, offered in
 * `offered`, value well-formed, given once. Used by the commands, and by the host when a filter
 * edits an envelope. NULL: fine; else the refusal, which names the parameter (555 5.5.4 not known
 * or not offered, 501 5.5.4 malformed or doubled, 552 5.3.4 SIZE over offered.size). Caller frees.
 */
BaseReply *smtp_parameters_check (const BasePath *path, SmtpParameterSide side,
                                  guint32 offered_flags, guint64 max_size);

/* Splits the text behind the address of MAIL or RCPT at its spaces into parameters, keywords made
 * upper case. Returns FALSE and sets `refusal` (501 5.5.4; caller frees) when there are more or
 * longer ones than the limits, or one is not of the form of RFC 5321 section 4.1.2 (octets over 127
 * pass: RFC 6531). `parameters` is NULL when there are none; caller frees. */
gboolean smtp_parameters_parse (const gchar *text, gsize length, gchar ***parameters,
                                BaseReply **refusal);

/* At most 64 octets of what a client sent, fit for a reply: printable ASCII or valid UTF-8,
 * shortened with "...". Caller frees. */
gchar *smtp_quote (const gchar *text, gsize length);
