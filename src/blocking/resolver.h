/* The mail hosts of a domain, from the system's resolver. */
#pragma once

#include <mailweir/smtp.h>

/* A WeirResolver; `data` is not used. MX records in order of preference, equals in random order
 * (RFC 5321 section 5.1). No record and no such domain are no error, and yield none. */
gboolean blocking_resolver_lookup (const char *domain, GPtrArray *hosts, gpointer data,
                                   GError **error);

/* A name server's answer. FALSE: malformed, and `hosts` is as it was. */
gboolean blocking_resolver_read (const guint8 *bytes, gsize length, GPtrArray *hosts);
