/* The DKIM signatures of a message (RFC 6376), and what of each an edit breaks.
 *
 * Nothing is verified: a signature is named broken when what it covers, in its canonical form, is
 * not what it was. Counts are bounded; a field that makes no sense, or names more than 100
 * fields, is no signature. */
#pragma once

#include "message/edits.h"

#define MESSAGE_MAX_SIGNATURES 10 /* looked at, from the top */

typedef struct
{
  gchar *domain;   /* d= */
  gchar *selector; /* s= */
  gboolean relaxed_header, relaxed_body;
  gchar **fields;    /* h=, in its order */
  guint64 octets;    /* l=, of the canonical body; G_MAXUINT64: all of it */
  GPtrArray *broken; /* of gchar*: names of fields, "body", or "DKIM-Signature" when the signature's
                        own field was changed or removed; empty: it still holds */
} MessageSignature;

/* Of MessageSignature, in the order of the fields; empty when there is none. `source` has at least
 * the header block; where it ends, the bytes that follow are the same before and after. `edits`
 * NULL: nothing is broken. Caller unrefs. */
GPtrArray *message_signatures_check (const MessageSource *source, const MessageEdits *edits);

/* "example.org/key1: Subject, body; example.net/s2: To"; NULL when none is broken. Caller frees. */
gchar *message_signatures_broken (const GPtrArray *signatures);
