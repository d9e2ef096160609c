/* Transfer encodings, read as generously as the most generous mail program would. Nothing here can
 * fail: what is no code is skipped. Output is bounded by `most`. */
#pragma once

#include <glib.h>

/* A set: an entity may name several encodings, or one that nobody knows. */
typedef enum
{
  DECODE_IDENTITY = 1 << 0,
  DECODE_BASE64 = 1 << 1,
  DECODE_QUOTED_PRINTABLE = 1 << 2,
  DECODE_UUENCODE = 1 << 3,
  DECODE_BASE64_JOINED = 1 << 4 /* in no set: base64 of those who do not stop at a '=' */
} DecodeEncodings;

/* The readings of a Content-Transfer-Encoding field's raw value. */
guint decode_encodings (const char *value, gsize length);

/* At most `most` decoded octets by one encoding; caller frees with g_byte_array_unref(). */
GByteArray *decode_bytes (DecodeEncodings encoding, const guint8 *bytes, gsize length, gsize most);
/* Base64 in steps. Zeroed to begin with, `joined` for those who do not stop at a '='. */
typedef struct
{
  guint32 group;
  guint bits;
  gboolean joined;
} DecodeBase64;

/* Decodes until `room` octets are written or the input ends; `*used` is how much of it was read.
 * How many were written. */
gsize decode_base64_step (DecodeBase64 *state, const guint8 *bytes, gsize length, guint8 *out,
                          gsize room, gsize *used);
/* Whether there is base64 behind a '=', so that the two ways to decode it differ. */
gboolean decode_has_inner_padding (const guint8 *bytes, gsize length);

/* "begin 644 name" at the start of a line (RFC-less, as uuencode writes it): the name's place, and
 * how long the line is. FALSE: it is no such line. */
gboolean decode_uu_begin (const guint8 *line, gsize length, gsize *name, gsize *name_length);
/* "=ybegin line=128 size=4 name=..." (yEnc): the same. */
gboolean decode_yenc_begin (const guint8 *line, gsize length, gsize *name, gsize *name_length);

#define DECODE_BINHEX_NAME 63 /* octets; the format has no place for more */

/* The name at the start of BinHex (RFC 1741 section A), which a line that begins with ':' opens;
 * `name` has room for it and a NUL. FALSE: it is none. */
gboolean decode_binhex_name (const guint8 *bytes, gsize length, char *name);
