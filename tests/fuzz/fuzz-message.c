/* Fuzzes the header index, the edit list and the writer: any bytes and any edits. The first bytes
 * of the input make two lists of edits, the rest is the message. What must hold is asserted: both
 * ways to find the header's end agree, what is mended stays so, composing agrees with applying
 * twice, and whatever the writer gives out has no bare CR or LF. */
#include <stdint.h>
#include <string.h>

#include "message/edits.h"
#include "message/headers.h"
#include "message/mend.h"
#include "message/signatures.h"
#include "message/writer.h"

#define MOST_MESSAGE (16 * 1024)

typedef struct
{
  const uint8_t *data;
  size_t size;
} Input;

static guint
next_byte (Input *input)
{
  if (input->size == 0)
    return 0;
  input->size--;
  return *input->data++;
}

/* A block that the tally finds nothing odd in needs no index: the index agrees. */
static void
check_tally (const guint8 *bytes, gsize length, guint cut)
{
  const MessageHeaderLimits any = { G_MAXUINT64, G_MAXUINT64, G_MAXUINT, G_MAXUINT64, G_MAXUINT };
  g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, length, TRUE);
  g_autoptr (MessageEdits) mends = message_mend (headers);
  MessageHeadersTally tally = { 0 };
  guint field;

  if (message_headers_tally (bytes, MIN (length, cut), &tally) == G_MAXSIZE)
    message_headers_tally (bytes, length, &tally);
  g_assert (tally.received == message_headers_count_of (headers, "Received"));
  g_assert (tally.signatures == message_headers_count_of (headers, "DKIM-Signature"));
  if (!tally.closed || tally.spaced > 0
      || memchr (bytes, '\0', message_headers_body (headers)) != NULL)
    return;
  g_assert (mends == NULL);
  g_assert (message_headers_check (headers, &any, &field) == MESSAGE_HEADERS_FINE);
}

static void
check_headers (const guint8 *bytes, gsize length, guint cut)
{
  MessageHeaderLimits limits = MESSAGE_HEADER_LIMITS_DEFAULT;
  g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, length, TRUE);
  guint field;
  gsize scanned = 0;
  gsize before = 0;

  message_headers_check (headers, &limits, &field);
  for (guint i = 0; i < message_headers_count (headers); i++)
    {
      const MessageField *at = message_headers_nth (headers, i);
      g_autofree gchar *name = message_headers_name (headers, i);
      g_autofree gchar *value = message_headers_value (headers, i);
      g_assert (at->start == before && at->value > at->start && at->value <= at->end);
      g_assert (strpbrk (value, "\n") == NULL);
      g_assert (message_headers_find (headers, name, 0) <= i);
      before = at->end;
    }
  g_assert (before == message_headers_end (headers));
  /* The same in two goes. */
  gsize end = message_headers_find_end (bytes, MIN (length, cut), &scanned);
  if (end == G_MAXSIZE)
    end = message_headers_find_end (bytes, length, &scanned);
  g_autoptr (MessageHeaders) open = message_headers_scan (bytes, length, FALSE);
  g_assert ((open == NULL) == (end == G_MAXSIZE));
  g_assert (open == NULL || message_headers_body (open) == end);
  g_assert (open == NULL || message_headers_body (headers) == end);
}

/* Up to 15 edits of a message of `size` bytes. Their texts are taken from the input, so line breaks
 * come up. */
static MessageEdits *
make_edits (Input *input, guint64 size)
{
  MessageEdits *edits = message_edits_new ();

  for (guint left = next_byte (input) & 15; left > 0; left--)
    {
      guint high = next_byte (input);
      guint64 offset = (high << 8 | next_byte (input)) % (size + 1);
      guint64 removed = next_byte (input);
      gsize length = next_byte (input) & 15;
      removed = MIN (removed, size - offset);
      length = MIN (length, input->size);
      g_autoptr (GBytes) inserted = g_bytes_new (input->data, length);
      input->data += length;
      input->size -= length;
      message_edits_add (edits, offset, removed, inserted);
    }
  g_assert (message_edits_fit (edits, size));
  return edits;
}

static GBytes *
apply (const MessageEdits *edits, GBytes *bytes)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  MessageSource source = message_source_from_memory (data, length);
  GBytes *result = message_edits_apply (edits, &source, NULL);

  g_assert (g_bytes_get_size (result) == message_edits_result_size (edits, length));
  return result;
}

/* What is mended reads the same, and needs no more. */
static void
check_mend (GBytes *original)
{
  gsize length, mended_length;
  const guint8 *bytes = g_bytes_get_data (original, &length);
  g_autoptr (MessageHeaders) headers = message_headers_scan (bytes, length, TRUE);
  g_autoptr (MessageEdits) mends = message_mend (headers);
  if (mends == NULL)
    return;
  g_autoptr (GBytes) mended = apply (mends, original);
  const guint8 *after = g_bytes_get_data (mended, &mended_length);
  g_autoptr (MessageHeaders) again = message_headers_scan (after, mended_length, TRUE);

  g_assert (message_mend (again) == NULL);
  g_assert (message_headers_count (again) == message_headers_count (headers));
  for (guint i = 0; i < message_headers_count (again); i++)
    {
      g_autofree gchar *value = message_headers_raw_value (headers, i);
      g_autofree gchar *same = message_headers_raw_value (again, i);
      g_assert (strcmp (value, same) == 0);
    }
  g_assert (mended_length - message_headers_body (again)
            == length - message_headers_body (headers));
}

static void
check_writer (MessageEdits *edits, GBytes *bytes, gsize most)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  MessageSource source = message_source_from_memory (data, length);
  g_autoptr (MessageWriter) writer = message_writer_new (NULL, edits, source);
  gboolean clean = message_writer_check (NULL, source, FALSE) == MESSAGE_WRITER_FINE;
  const guint8 *out;
  guint8 last = 0;

  while ((out = message_writer_next (writer, most, &length)) != NULL)
    for (gsize i = 0; i < length; i++)
      {
        g_assert ((last == '\r') == (out[i] == '\n'));
        last = out[i];
      }
  g_assert (last != '\r');
  g_assert (message_writer_is_done (writer)
            == (message_writer_fault (writer) == MESSAGE_WRITER_FINE));
  if (clean)
    g_assert (message_writer_check (edits, source, TRUE) == message_writer_fault (writer));
}

/* Edits after which every byte is as before break nothing. */
static void
check_signatures (const MessageEdits *edits, GBytes *before, GBytes *after)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (before, &length);
  MessageSource source = message_source_from_memory (data, length);
  g_autoptr (GPtrArray) signatures = message_signatures_check (&source, edits);
  g_autofree gchar *broken = message_signatures_broken (signatures);

  g_assert (signatures->len <= MESSAGE_MAX_SIGNATURES);
  if (g_bytes_equal (before, after))
    g_assert (broken == NULL);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  Input input = { data, size };
  guint cut = next_byte (&input);
  gsize most = 1 + next_byte (&input);
  /* The message stands at the end of the input; its share is the input's first byte. */
  gsize length = MIN (input.size * (cut & 15) / 16, MOST_MESSAGE);
  g_autoptr (GBytes) original = g_bytes_new (input.data + input.size - length, length);

  input.size -= length;
  check_headers (g_bytes_get_data (original, NULL), length, cut);
  check_tally (g_bytes_get_data (original, NULL), length, cut);
  check_mend (original);
  g_autoptr (MessageEdits) first = make_edits (&input, length);
  g_autoptr (GBytes) middle = apply (first, original);
  g_autoptr (MessageEdits) second = make_edits (&input, g_bytes_get_size (middle));
  g_autoptr (GBytes) last = apply (second, middle);
  g_autoptr (MessageEdits) both = message_edits_compose (first, second, length);
  g_autoptr (GBytes) composed = apply (both, original);
  g_assert (g_bytes_equal (composed, last));
  check_writer (first, original, most);
  check_writer (both, original, most);
  check_signatures (both, original, composed);
  return 0;
}
