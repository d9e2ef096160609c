/* Tests of the header index: odd mail, incremental search for the end, and each limit gone past by
 * one. */
#include "message/headers.h"

#include <string.h>

static MessageHeaders *
scan (const gchar *text)
{
  return message_headers_scan ((const guint8 *) text, strlen (text), TRUE);
}

/* "name=value|..." and where the block and its body meet, as one string. */
static gchar *
describe (const gchar *text)
{
  g_autoptr (MessageHeaders) headers = scan (text);
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < message_headers_count (headers); i++)
    {
      g_autofree gchar *name = message_headers_name (headers, i);
      g_autofree gchar *value = message_headers_value (headers, i);
      g_string_append_printf (out, "%s=%s|", name, value);
    }
  g_string_append_printf (out, "%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT,
                          message_headers_end (headers), message_headers_body (headers));
  return g_string_free (out, FALSE);
}

static const struct
{
  const gchar *text;
  const gchar *described;
} odd_mail[] = {
  { "A: b\r\n\r\nbody\r\n", "A=b|6,8" },
  { "A: b\n\nbody", "A=b|5,6" },
  { "A:\tb\r\n c\r\n\td\r\n\r\n", "A=b c\td|14,16" },
  { "A:\r\n b\r\n\r\n", "A=b|8,10" },
  { "A: b\r\n \r\nC: d\r\n\r\nx", "A=b|C=d|15,17" },
  { "A : b\r\nB\t:c\r\n\r\n", "A=b|B=c|13,15" },
  { "A: b\r\nno field\r\nC: d\r\n\r\n", "A=b|6,6" },
  { "A: b\r\nHello World: d\r\n\r\n", "A=b|6,6" },
  { "A: b\r\n:x\r\n\r\n", "A=b|6,6" },
  { "A: b\r\nX\001Y: x\r\n\r\n", "A=b|6,6" },
  { "A: b\r\n\rx\r\n\r\n", "A=b|6,6" },
  { "A: b\r\n\xc3\xbc: x\r\n\r\n", "A=b|6,6" },
  { "From x@y Mon\r\nA: b\r\n\r\n", "0,0" },
  { " x\r\nA: b\r\n\r\n", "0,0" },
  { "\r\nbody", "0,2" },
  { "\nbody", "0,1" },
  { "", "0,0" },
  { "A: b\r\n", "A=b|6,6" },
  { "A: b", "A=b|4,4" },
  { "A:", "A=|2,2" },
  { "A:\r\n", "A=|4,4" },
  { "A: b\r\nnofield", "A=b|6,6" },
  { "A: b\r\n\r", "A=b|6,6" },
  { "A: b\r", "A=b|5,5" },
};

static void
test_odd_mail (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (odd_mail); i++)
    {
      g_autofree gchar *described = describe (odd_mail[i].text);
      g_assert_cmpstr (described, ==, odd_mail[i].described);
    }
}

/* Whether the bytes come at once or one at a time, the end is found in the same place, and never
 * too early. */
static void
test_incremental (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (odd_mail); i++)
    {
      const guint8 *bytes = (const guint8 *) odd_mail[i].text;
      gsize length = strlen (odd_mail[i].text);
      g_autoptr (MessageHeaders) whole = message_headers_scan (bytes, length, TRUE);
      gsize scanned = 0;
      gsize found = G_MAXSIZE;
      MessageHeadersTally tally = { 0 };
      for (gsize have = 0; have <= length && found == G_MAXSIZE; have++)
        {
          g_autofree guint8 *copy = g_memdup2 (bytes, MAX (have, 1));
          found = message_headers_find_end (copy, have, &scanned);
          g_assert_cmpuint (message_headers_tally (copy, have, &tally), ==, found);
          g_autoptr (MessageHeaders) part = message_headers_scan (copy, have, FALSE);
          g_assert_cmpint (part != NULL, ==, found != G_MAXSIZE);
        }
      if (found != G_MAXSIZE)
        g_assert_cmpuint (found, ==, message_headers_body (whole));
      else
        g_assert_cmpuint (message_headers_body (whole) + 13, >=, length);
    }
}

/* Counted once each, however the block was cut. */
static void
test_tally (void)
{
  const gchar text[] = "Received: 1\r\n\tReceived: no\r\nRECEIVED : 2\r\nReceivedX: no\r\n"
                       "DKIM-Signature: d\r\nReceived:3\r\n\r\nReceived: no\r\n";

  for (gsize step = 1; step < sizeof text; step++)
    {
      MessageHeadersTally tally = { 0 };
      gsize end = G_MAXSIZE;
      for (gsize have = step; end == G_MAXSIZE; have += step)
        {
          have = MIN (have, strlen (text));
          end = message_headers_tally ((const guint8 *) text, have, &tally);
        }
      g_assert_cmpuint (end, ==, strstr (text, "\r\n\r\n") + 4 - text);
      g_assert_cmpuint (tally.received, ==, 3);
      g_assert_cmpuint (tally.signatures, ==, 1);
    }
}

static void
test_find (void)
{
  g_autoptr (MessageHeaders) headers
      = scan ("Received: 1\r\nSubject: s\r\nRECEIVED: 2\r\nReceivedX: no\r\nreceived : 3\r\n\r\n");

  g_assert_cmpuint (message_headers_count_of (headers, "received"), ==, 3);
  g_assert_cmpuint (message_headers_find (headers, "Received", 0), ==, 0);
  g_assert_cmpuint (message_headers_find (headers, "Received", 1), ==, 2);
  g_assert_cmpuint (message_headers_find (headers, "Received", 2), ==, 4);
  g_assert_cmpuint (message_headers_find (headers, "Received", 3), ==, G_MAXUINT);
  g_assert_cmpuint (message_headers_find (headers, "Receive", 0), ==, G_MAXUINT);
}

static void
test_raw (void)
{
  g_autoptr (MessageHeaders) headers = scan ("A:  b \r\n\tc \r\nD: e\n\r\n");
  g_autofree gchar *raw = message_headers_raw_value (headers, 0);
  g_autofree gchar *value = message_headers_value (headers, 0);
  g_autofree gchar *bare = message_headers_raw_value (headers, 1);
  const MessageField *field = message_headers_nth (headers, 1);

  g_assert_cmpstr (raw, ==, "  b \r\n\tc ");
  g_assert_cmpstr (value, ==, "b \tc");
  g_assert_cmpstr (bare, ==, " e");
  g_assert_cmpuint (field->start, ==, 13);
  g_assert_cmpuint (field->value, ==, 15);
  g_assert_cmpuint (field->end, ==, 18);
}

static MessageHeadersProblem
problem_of (const gchar *text, gsize length, MessageHeaderLimits limits, guint *field)
{
  g_autoptr (MessageHeaders) headers = message_headers_scan ((const guint8 *) text, length, TRUE);

  return message_headers_check (headers, &limits, field);
}

static void
test_limits (void)
{
  const gchar text[] = "A: b\r\nTo: x:y:z;\r\n\r\n";
  MessageHeaderLimits exact = { 18, 12, 2, 12, 2 };
  guint field;

#define PROBLEM(member)                                                                            \
  ({                                                                                               \
    MessageHeaderLimits limits = exact;                                                            \
    limits.member--;                                                                               \
    problem_of (text, strlen (text), limits, &field);                                              \
  })
  g_assert_cmpint (problem_of (text, strlen (text), exact, &field), ==, MESSAGE_HEADERS_FINE);
  g_assert_cmpint (PROBLEM (header_bytes), ==, MESSAGE_HEADERS_TOO_LONG);
  g_assert_cmpuint (field, ==, G_MAXUINT);
  g_assert_cmpint (PROBLEM (fields), ==, MESSAGE_HEADERS_TOO_MANY);
  g_assert_cmpuint (field, ==, G_MAXUINT);
  g_assert_cmpint (PROBLEM (field_bytes), ==, MESSAGE_HEADERS_TOO_LONG);
  g_assert_cmpuint (field, ==, 1);
  g_assert_cmpint (PROBLEM (address_field_bytes), ==, MESSAGE_HEADERS_ADDRESSES);
  g_assert_cmpuint (field, ==, 1);
  g_assert_cmpint (PROBLEM (address_colons), ==, MESSAGE_HEADERS_ADDRESSES);
  g_assert_cmpuint (field, ==, 1);
#undef PROBLEM
}

static void
test_nul (void)
{
  MessageHeaderLimits limits = MESSAGE_HEADER_LIMITS_DEFAULT;
  guint field;

  g_assert_cmpint (problem_of ("A: b\r\nC: \0\r\n\r\n", 15, limits, &field), ==,
                   MESSAGE_HEADERS_NUL);
  g_assert_cmpuint (field, ==, 1);
  g_assert_cmpint (problem_of ("A: b\r\n\r\n\0", 9, limits, &field), ==, MESSAGE_HEADERS_FINE);
  /* In a name, a NUL makes the line no field, but not everybody reads it so. */
  g_assert_cmpint (problem_of ("A: b\r\nC\0: \r\n\r\n", 15, limits, &field), ==,
                   MESSAGE_HEADERS_NUL);
  g_assert_cmpuint (field, ==, G_MAXUINT);
  g_assert_cmpint (problem_of ("A: b\r\nno field\r\n\0", 17, limits, &field), ==,
                   MESSAGE_HEADERS_FINE);
}

static void
test_name_limit (void)
{
  g_autofree gchar *name = g_strnfill (MESSAGE_MAX_FIELD_NAME, 'n');
  g_autofree gchar *good = g_strconcat (name, ": v\r\n\r\n", NULL);
  g_autofree gchar *bad = g_strconcat ("n", good, NULL);
  g_autoptr (MessageHeaders) one = scan (good);
  g_autoptr (MessageHeaders) none = scan (bad);

  g_assert_cmpuint (message_headers_count (one), ==, 1);
  g_assert_cmpuint (message_headers_count (none), ==, 0);
  g_assert_cmpuint (message_headers_body (none), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/headers/odd-mail", test_odd_mail);
  g_test_add_func ("/message/headers/incremental", test_incremental);
  g_test_add_func ("/message/headers/tally", test_tally);
  g_test_add_func ("/message/headers/find", test_find);
  g_test_add_func ("/message/headers/raw", test_raw);
  g_test_add_func ("/message/headers/limits", test_limits);
  g_test_add_func ("/message/headers/nul", test_nul);
  g_test_add_func ("/message/headers/name-limit", test_name_limit);
  return g_test_run ();
}
