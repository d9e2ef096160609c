/* Single header fields as raw bytes, before anything parses them: names, values, the names of
 * parameters. Linear, allocation-free but for the value. Inside src/mime only. */
#pragma once

#include <glib.h>

typedef enum
{
  MIME_FIELD_OTHER,
  MIME_FIELD_ADDRESS,     /* GMime parses it as a list of addresses */
  MIME_FIELD_CONTENT,     /* Content-*, of which the part consists that a message is */
  MIME_FIELD_TYPE,        /* Content-Type */
  MIME_FIELD_DISPOSITION, /* Content-Disposition */
} MimeFieldKind;

/* `field` is "Name: value CRLF", with folds. The length of its name (RFC 5322 section 2.2), without
 * the white space that may stand in front of the colon; 0: it is no field. */
gsize mime_field_name (const guint8 *field, gsize length);
/* What a name says; 0 octets say nothing. */
MimeFieldKind mime_field_kind (const guint8 *name, gsize length);
/* Whether it is a Content-* field, Content-Type and Content-Disposition among them. */
gboolean mime_field_is_content (const guint8 *field, gsize length);
/* The length of the longest thing in front of an '=' outside of quoted strings and comments. */
gsize mime_field_longest_parameter (const guint8 *field, gsize length);
/* The value with line breaks made spaces; caller frees. */
gchar *mime_field_value (const guint8 *field, gsize length);
