/* The decoded octets of a body, readable at any place, in bounded memory: base64 is decoded from
 * where it stands in windows, with a note of 24 octets for each window. Never fails; what is no
 * code is skipped. */
#pragma once

#include "decode.h"

typedef struct _Source Source;

/* `bytes` are the raw body and must live as long. Quoted-printable and uuencode are rare for what
 * is large: they are decoded at once, into memory. Never NULL. */
Source *source_new (DecodeEncodings encoding, const guint8 *bytes, gsize length);
void source_free (Source *source); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Source, source_free)

/* How many octets it has. The first call decodes all of them, once. */
guint64 source_size (Source *source);
/* Octets from `offset` on; fewer than `length` only where the source ends. */
gsize source_read (Source *source, guint64 offset, gpointer buffer, gsize length);
