/* The guard against what is known to kill or stall GMime, each limit one past itself, and ordinary
 * mail that must pass. The hostile messages are made here and never given to GMime. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mime/guard.h"
#include "mime/view.h"

static const MimeLimits limits = MIME_LIMITS_DEFAULT;

static MimeProblem
check (const GString *message)
{
  MimeProblem problem;
  gboolean fine = mime_guard_check ((const guint8 *) message->str, message->len, FALSE, &limits,
                                    NULL, &problem);

  g_assert_true (fine == (problem.kind == MIME_PROBLEM_NONE));
  return problem;
}

static void
expect (GString *message, MimeProblemKind kind)
{
  MimeProblem problem = check (message);

  g_assert_cmpint (problem.kind, ==, kind);
  if (kind != MIME_PROBLEM_NONE)
    g_assert_cmpuint (problem.value, >, problem.limit);
  g_string_free (message, TRUE);
}

static void
repeat (GString *out, const gchar *text, guint times)
{
  for (guint i = 0; i < times; i++)
    g_string_append (out, text);
}

static GString *
addresses (guint colons)
{
  GString *message = g_string_new ("From: ");

  repeat (message, "a:", colons);
  return g_string_append (message, "\r\n\r\nbody\r\n");
}

static void
test_addresses (void)
{
  GString *message = g_string_new ("To: ");

  expect (addresses (45000), MIME_PROBLEM_FIELD_BYTES);
  expect (addresses (20000), MIME_PROBLEM_ADDRESS_BYTES);
  expect (addresses (101), MIME_PROBLEM_ADDRESS_COLONS);
  expect (addresses (100), MIME_PROBLEM_NONE);
  repeat (message, "a", 32 * 1024);
  expect (g_string_append (message, "\r\n\r\n"), MIME_PROBLEM_ADDRESS_BYTES);
}

/* An address field of a message inside reaches the same parser. */
static void
test_addresses_inside (void)
{
  g_autoptr (GString) inner = addresses (101);
  GString *message = g_string_new ("Content-Type: message/rfc822\r\n\r\n");

  expect (g_string_append (message, inner->str), MIME_PROBLEM_ADDRESS_COLONS);
}

static GString *
parameter (guint length, const gchar *before, const gchar *behind)
{
  g_autofree gchar *name = g_strnfill (length, 'n');
  GString *message = g_string_new (NULL);

  g_string_printf (message, "%s%s%s", before, name, behind);
  return message;
}

static void
test_parameter_names (void)
{
  expect (parameter (71, "Content-Type: multipart/mixed; ", "=\xe4\r\n\r\nx\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  expect (parameter (61, "Content-Type: multipart/mixed; a=b; ", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  expect (parameter (60, "Content-Type: multipart/mixed; ", "=c\r\n\r\n"), MIME_PROBLEM_NONE);
  expect (parameter (61, "Content-Disposition: attachment;\r\n ", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  /* Hidden behind a comment with a quote, and behind a quote in the middle of a word. */
  expect (parameter (61, "Content-Type: multipart/mixed; (\") ", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  expect (parameter (61, "Content-Type: multipart/mixed; a=b\"; ", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  expect (parameter (61, "Content-Type: multipart/mixed; a=b ", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  expect (parameter (61, "Content-Type: multipart/mixed; a=\"b\"", "=c\r\n\r\n"),
          MIME_PROBLEM_PARAMETER_NAME);
  /* A long value is no name. */
  expect (parameter (80, "Content-Type: image/png; name==?utf-8?B?", "=?=\r\n\r\n"),
          MIME_PROBLEM_NONE);
  expect (parameter (200, "Content-Type: image/png; name=\"", "==?=\"\r\n\r\n"), MIME_PROBLEM_NONE);
}

static GString *
nested (guint depth)
{
  GString *message = g_string_new (NULL);

  for (guint i = 0; i < depth; i++)
    g_string_append_printf (message,
                            "%sContent-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n",
                            i == 0 ? "" : "", i, i);
  return g_string_append (message, "\r\nbody\r\n");
}

static void
test_depth (void)
{
  GString *message = g_string_new (NULL);

  expect (nested (1000), MIME_PROBLEM_DEPTH);
  expect (nested (101), MIME_PROBLEM_DEPTH);
  expect (nested (100), MIME_PROBLEM_NONE);
  repeat (message, "Content-Type: message/rfc822\r\n\r\n", 101);
  expect (message, MIME_PROBLEM_DEPTH);
}

/* A second Content-Type, as another reader may take it, hides no nesting. */
static void
test_two_readings (void)
{
  GString *message = g_string_new (NULL);

  for (guint i = 0; i < 101; i++)
    g_string_append_printf (message,
                            "Content-Type: multipart/mixed; boundary=b%u\r\nX: y\r\n"
                            "Content-Type: text/plain\r\n\r\n--b%u\r\n",
                            i, i);
  expect (message, MIME_PROBLEM_DEPTH);
}

static GString *
parts (guint count)
{
  GString *message = g_string_new ("Content-Type: multipart/mixed; boundary=b\r\n\r\n");

  repeat (message, "--b\r\n\r\n", count);
  return g_string_append (message, "--b--\r\n");
}

static void
test_parts (void)
{
  expect (parts (1000000), MIME_PROBLEM_PARTS);
  expect (parts (10001), MIME_PROBLEM_PARTS);
  expect (parts (10000), MIME_PROBLEM_NONE);
}

static void
test_digest_parts_are_messages (void)
{
  GString *message = g_string_new ("Content-Type: multipart/digest; boundary=b\r\n\r\n");

  repeat (message, "--b\r\n\r\nFrom: a@b\r\n\r\nx\r\n", 5001);
  expect (message, MIME_PROBLEM_PARTS);
}

static void
test_comparisons (void)
{
  GString *message = nested (99);

  repeat (message, "--x\r\n", 300000);
  expect (message, MIME_PROBLEM_COMPARISONS);
}

static GString *
conversions (const gchar *parameter, guint fields)
{
  GString *message = g_string_new ("Content-Type: multipart/mixed; boundary=b\r\n\r\n");

  for (guint i = 0; i < fields; i++)
    {
      g_string_append (message, "--b\r\nContent-Disposition: attachment");
      repeat (message, parameter, 400);
      g_string_append (message, "\r\n\r\n");
    }
  return message;
}

static void
test_conversions (void)
{
  expect (conversions ("; a=\"=?utf-7?B?YWFh?=\"", 10), MIME_PROBLEM_NONE);
  expect (conversions ("; a=\"=?utf-7?B?YWFh?=\"", 11), MIME_PROBLEM_CONVERSIONS);
  expect (conversions ("; a*=utf-7''a", 10), MIME_PROBLEM_NONE);
  expect (conversions ("; a*=utf-7''a", 11), MIME_PROBLEM_CONVERSIONS);
}

static void
test_header_limits (void)
{
  GString *message = g_string_new (NULL);

  repeat (message, "X: y\r\n", 1000);
  expect (g_string_append (message, "\r\n"), MIME_PROBLEM_NONE);
  message = g_string_new (NULL);
  repeat (message, "X: y\r\n", 1001);
  expect (g_string_append (message, "\r\n"), MIME_PROBLEM_FIELDS);

  /* A 20 MB header of short words. */
  message = g_string_new ("Subject:");
  repeat (message, " ab", 20 * 1024 * 1024 / 3);
  expect (g_string_append (message, "\r\n\r\n"), MIME_PROBLEM_HEADER_BYTES);
  message = g_string_new ("Subject:");
  repeat (message, " ab\r\n", 16 * 1024);
  expect (g_string_append (message, "\r\n\r\n"), MIME_PROBLEM_FIELD_BYTES);

  message = g_string_new (NULL);
  for (guint i = 0; i < 40; i++)
    {
      g_string_append (message, "X: ");
      repeat (message, "y", 30000);
      g_string_append (message, "\r\n");
    }
  expect (message, MIME_PROBLEM_HEADER_BYTES);
}

static void
test_nul_and_boundary (void)
{
  GString *message = g_string_new ("Subject: a");
  g_autofree gchar *boundary = g_strnfill (1001, 'b');

  g_string_append_c (message, '\0');
  expect (g_string_append (message, "b\r\n\r\n"), MIME_PROBLEM_NUL);
  message = g_string_new (NULL);
  g_string_printf (message, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n", boundary);
  expect (message, MIME_PROBLEM_BOUNDARY);
}

/* Only the first block counts for chains that see no body. */
static void
test_headers_only (void)
{
  g_autoptr (GString) message = parts (10001);
  g_autoptr (GString) bad = addresses (101);
  MimeProblem problem;

  g_assert_true (
      mime_guard_check_headers ((const guint8 *) message->str, message->len, &limits, &problem));
  g_assert_false (
      mime_guard_check_headers ((const guint8 *) bad->str, bad->len, &limits, &problem));
}

static void
test_ordinary (void)
{
  GString *message = g_string_new ("no header at all\r\n");

  repeat (message, "text: more\r\n", 5000);
  expect (message, MIME_PROBLEM_NONE);
  expect (g_string_new (""), MIME_PROBLEM_NONE);
  expect (g_string_new ("Subject: no body"), MIME_PROBLEM_NONE);
  /* An encoded message: its lines are no header fields. */
  message = g_string_new ("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
                          "\r\n");
  repeat (message, "RnJvbTogYUBiCg0KRnJvbTogYUBiCg0KRnJvbTogYUBiCg0K\r\n", 30000);
  expect (message, MIME_PROBLEM_NONE);
  /* A text with many lines of dashes. */
  message = g_string_new ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n");
  repeat (message, "-- \r\n------\r\n", 50000);
  expect (message, MIME_PROBLEM_NONE);
}

static void
test_texts (void)
{
  g_autoptr (GString) message = parts (10001);
  MimeProblem problem = check (message);
  g_autofree gchar *text = mime_problem_text (&problem);

  g_assert_cmpstr (text, ==, "message has more than 10000 parts (limit parts)");
  for (gint kind = 0; kind <= MIME_PROBLEM_CONVERSIONS; kind++)
    {
      MimeProblem any = { kind, 2, 1 };
      g_autofree gchar *its = mime_problem_text (&any);

      g_assert_true (g_str_has_prefix (its, "message "));
    }
}

/* The resident octets of the mapping at `address`. */
static gsize
resident (gconstpointer address)
{
  g_autofree gchar *maps = NULL;
  g_autofree gchar *begins = g_strdup_printf ("%" G_GINTPTR_MODIFIER "x-", (guintptr) address);
  const gchar *at;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &maps, NULL, NULL));
  at = strstr (maps, begins);
  g_assert_nonnull (at);
  at = strstr (at, "\nRss:");
  g_assert_nonnull (at);
  return (gsize) g_ascii_strtoull (at + strlen ("\nRss:"), NULL, 10) * 1024;
}

static GBytes *
map (const GString *message)
{
  gint fd = memfd_create ("test", MFD_CLOEXEC);
  MessageSource source;
  GBytes *bytes;

  g_assert_cmpint (write (fd, message->str, message->len), ==, (gssize) message->len);
  source = message_source_from_fd (fd, message->len);
  bytes = mime_bytes_new (&source, NULL, NULL);
  g_assert_nonnull (bytes);
  close (fd);
  return bytes;
}

/* Of a big message that is mapped, little stays in memory, in the guard and in GMime; and all of it
 * is still there to be read. */
static void
test_pages (void)
{
  g_autoptr (GString) message = g_string_new ("From: a@b\r\nContent-Type: application/pdf\r\n"
                                              "Content-Transfer-Encoding: base64\r\n\r\n");
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (MimeView) view = NULL;
  const guint8 *data;
  gsize length;
  MimeProblem problem;

  repeat (message, "RnJvbTogYUBiCg0KRnJvbTogYUBiCg0KRnJvbTogYUBiCg0K\r\n", 400000);
  bytes = map (message);
  data = g_bytes_get_data (bytes, &length);
  g_assert_true (mime_guard_check (data, length, TRUE, &limits, NULL, &problem));
  g_assert_cmpuint (resident (data), <, 4 * 1024 * 1024);
  view = mime_view_new (bytes, TRUE);
  g_assert_cmpuint (resident (data), <, 4 * 1024 * 1024);
  g_assert_true (GMIME_IS_PART (g_mime_message_get_mime_part (mime_view_message (view))));
  g_assert_cmpmem (data, length, message->str, message->len);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mime_init ();
  g_test_add_func ("/mime/guard/addresses", test_addresses);
  g_test_add_func ("/mime/guard/addresses-inside", test_addresses_inside);
  g_test_add_func ("/mime/guard/parameter-names", test_parameter_names);
  g_test_add_func ("/mime/guard/depth", test_depth);
  g_test_add_func ("/mime/guard/two-readings", test_two_readings);
  g_test_add_func ("/mime/guard/parts", test_parts);
  g_test_add_func ("/mime/guard/digest", test_digest_parts_are_messages);
  g_test_add_func ("/mime/guard/comparisons", test_comparisons);
  g_test_add_func ("/mime/guard/header-limits", test_header_limits);
  g_test_add_func ("/mime/guard/nul-and-boundary", test_nul_and_boundary);
  g_test_add_func ("/mime/guard/pages", test_pages);
  g_test_add_func ("/mime/guard/headers-only", test_headers_only);
  g_test_add_func ("/mime/guard/ordinary", test_ordinary);
  g_test_add_func ("/mime/guard/conversions", test_conversions);
  g_test_add_func ("/mime/guard/texts", test_texts);
  return g_test_run ();
}
