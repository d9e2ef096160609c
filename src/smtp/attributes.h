/* The attributes of XCLIENT and XFORWARD, as Postfix documents them. */
#pragma once

#include "base/reply.h"

#define SMTP_ATTRIBUTE_MAX 255 /* octets of a value, decoded */

/* Upper case, NULL at the end. */
extern const gchar *const smtp_xclient_names[];
extern const gchar *const smtp_xforward_names[];

/* Splits "name=xtext name=xtext" and decodes the values; a "+" that no two hexadecimal digits
 * follow stands for itself, for old peers do not encode. NULL: `attributes` is an array to be freed
 * with g_strfreev(), names in upper case, [UNAVAILABLE] and [TEMPUNAVAIL] too. Else the refusal
 * (501 5.5.4; caller frees): a name that is not among `names` or comes twice, a value that is
 * empty, too long, or not what its name wants (an address, a port, SMTP or ESMTP …). */
BaseReply *smtp_attributes_parse (const gchar *text, const gchar *const *names,
                                  const gchar *const **attributes);
