/* Single header fields as raw bytes, before anything parses them: names, values, the names of
 * parameters. Linear, allocation-free but for the value. Inside src/mime only. */
#pragma once

#include <glib.h>

/* `field` is "Name: value CRLF", with folds. */
gboolean mime_field_is (const guint8 *field, gsize length, const gchar *name);
/* Whether it begins with a name and a colon (RFC 5322 section 2.2). */
gboolean mime_field_is_valid (const guint8 *field, gsize length);
/* Content-* fields belong to the part that a message consists of. */
gboolean mime_field_is_content (const guint8 *field, gsize length);
/* Fields that GMime parses as lists of addresses. */
gboolean mime_field_is_address (const guint8 *field, gsize length);
/* Content-Type and Content-Disposition. */
gboolean mime_field_has_parameters (const guint8 *field, gsize length);
/* The length of the longest thing in front of an '=' outside of quoted strings and comments. */
gsize mime_field_longest_parameter (const guint8 *field, gsize length);
/* The value with line breaks made spaces; caller frees. */
gchar *mime_field_value (const guint8 *field, gsize length);
