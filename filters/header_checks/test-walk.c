/* The filter "header_checks": how it goes through messages, hostile ones among them. */
#include <string.h>

#include "common/message.h"
#include "test-header_checks.h"
#include "walk.h"

static gsize header_size = 100000;

static gboolean
write_item (const WalkItem *item, gpointer data)
{
  static const char kinds[] = "HMNB";
  GString *out = data;
  g_autofree char *text = g_strndup (item->text, item->length);

  g_strdelimit (text, "\n", '~');
  if (item->length > 0)
    g_string_append_printf (out, "%c|%s\n", kinds[item->kind], text);
  return TRUE;
}

/* Header and body apart, as the filter does it. Caller frees. */
static char *
walk_text (const char *message, gboolean *deep)
{
  g_autofree char *wire = weir_test_crlf (message);
  GString *out = g_string_new (NULL);
  Walk *walk = walk_new (header_size, write_item, out);
  gsize body;
  gboolean blank = common_message_find_body (wire, strlen (wire), &body);
  g_autofree char *header = g_strndup (wire, body);
  g_auto (GStrv) lines = g_strsplit (header, "\r\n", -1);

  for (guint i = 0; lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      g_autoptr (GString) raw = g_string_new (strchr (lines[i], ':') + 1);
      g_autofree char *name = g_strndup (lines[i], strcspn (lines[i], " :"));

      for (; lines[i + 1] != NULL && strchr (" \t", *lines[i + 1]) != NULL && *lines[i + 1]; i++)
        g_string_append_printf (raw, "\r\n%s", lines[i + 1]);
      g_string_append (raw, "\r\n");
      walk_field (walk, i, name, raw->str);
    }
  walk_body (walk, wire + body, strlen (wire + body), blank);
  if (deep != NULL)
    *deep = walk_is_too_deep (walk);
  walk_free (walk);
  return g_string_free (out, FALSE);
}

static void
check (const char *message, const char *expected)
{
  g_autofree char *got = walk_text (message, NULL);

  g_assert_cmpstr (got, ==, expected);
}

void
test_walk (void)
{
  check ("Subject: a\n b\nX-A :c\nContent-Type: text/plain\n\nline\n\nX-B: d\n",
         "H|Subject: a~ b\nH|X-A:c\nM|Content-Type: text/plain\nB|line\nB|X-B: d\n");
  /* parts, nested messages, what is ahead and behind */
  check ("Content-Type: multipart/mixed; boundary=\"b (x)\"\n\npre: x\n--b (x)\nX-P: 1\n\n"
         "X-B: 2\n--b (x)\nContent-Type: message/rfc822\n\nSubject: n\nMIME-Version: 1.0\n\n"
         "X-B: 3\n--b (x)--\nX-E: 4\n",
         "M|Content-Type: multipart/mixed; boundary=\"b (x)\"\nB|pre: x\nB|--b (x)\nM|X-P: 1\n"
         "B|X-B: 2\nB|--b (x)\nM|Content-Type: message/rfc822\nN|Subject: n\nM|MIME-Version: 1.0\n"
         "B|X-B: 3\nB|--b (x)--\nB|X-E: 4\n");
  check ("Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: n\n\nx: y\n--b--\n",
         "M|Content-Type: multipart/digest; boundary=b\nB|--b\nN|Subject: n\nB|x: y\nB|--b--\n");
  check ("Content-Type: (c (d)) MULTIPART (e) / mixed ;x=y; boundary (f) = b\n\n--bcd\nX: p\n",
         "M|Content-Type: (c (d)) MULTIPART (e) / mixed ;x=y; boundary (f) = b\nB|--bcd\nM|X: p\n");
  /* a type that Postfix passes over leaves what is usual in a digest */
  check ("Content-Type: multipart/digest; boundary=b\n\n--b\nContent-Type: a/b\n\nx: y\n",
         "M|Content-Type: multipart/digest; boundary=b\nB|--b\nM|Content-Type: a/b\nN|x: y\n");
  /* two boundaries, of which the first one met counts; an inner multipart that is never closed */
  check ("Content-Type: multipart/x; boundary=a; boundary=b\n\n--a\nX: 1\n\n--b\nX: 2\n",
         "M|Content-Type: multipart/x; boundary=a; boundary=b\nB|--a\nM|X: 1\nB|--b\nB|X: 2\n");
  check ("Content-Type: multipart/x; boundary=a\n\n--a\nContent-Type: multipart/y; boundary=b\n\n"
         "--b\nX: 1\n\n--a\nX: 2\n\n--b\nX: 3\n",
         "M|Content-Type: multipart/x; boundary=a\nB|--a\nM|Content-Type: multipart/y; boundary=b\n"
         "B|--b\nM|X: 1\nB|--a\nM|X: 2\nB|--b\nB|X: 3\n");
  /* a header that ends without a blank line, or with the message */
  check ("Subject: a\nno field\nX: b\n", "H|Subject: a\nB|no field\nB|X: b\n");
  check ("Content-Type: message/rfc822\nno field\nX: b\n",
         "M|Content-Type: message/rfc822\nB|no field\nB|X: b\n");
  check ("Content-Type: message/rfc822\n\nSubject: a\n b",
         "M|Content-Type: message/rfc822\nN|Subject: a~ b\n");
  check ("Content-Type: message/rfc822; x=\"\n\nSubject: a\n",
         "M|Content-Type: message/rfc822; x=\"\nN|Subject: a\n");
}

void
test_walk_lines (void)
{
  g_autofree char *x = g_strnfill (WALK_LINE, 'x');
  g_autofree char *exact = g_strdup_printf ("\n%s\nend\n", x);
  g_autofree char *over = g_strdup_printf ("\n%sy\n", x);
  g_autofree char *exact_expected = g_strdup_printf ("B|%s\nB|end\n", x);
  g_autofree char *over_expected = g_strdup_printf ("B|%s\nB|y\n", x);

  check (exact, exact_expected);
  check (over, over_expected);
  check ("\n\n\n", "");
  check ("\nlast", "B|last\n");
  check ("", "");
}

static char *
deep_message (guint boundaries)
{
  GString *text = g_string_new ("Content-Type: multipart/mixed");

  for (guint i = 0; i < boundaries; i++)
    g_string_append_printf (text, ";\n boundary=b%u", i);
  g_string_append (text, "\n\n--b0\nX: 1\n");
  return g_string_free (text, FALSE);
}

/* Of a field so much is looked at as its limit says, rounded up to a line; of boundaries 101. */
void
test_walk_limits (void)
{
  g_autofree char *x = g_strnfill (98, 'x');
  g_autofree char *long_field = g_strdup_printf ("X:%s\n yz\n z\n\n", x);
  g_autofree char *expected = g_strdup_printf ("H|X:%s\n", x);
  g_autofree char *deep = deep_message (WALK_DEPTH + 1);
  g_autofree char *deeper = deep_message (WALK_DEPTH + 2);
  gboolean is_deep;

  header_size = 100;
  check (long_field, expected);
  header_size = 100000;
  g_free (walk_text (deep, &is_deep));
  g_assert_false (is_deep);
  g_free (walk_text (deeper, &is_deep));
  g_assert_true (is_deep);
}

void
test_find_body (void)
{
  static const struct
  {
    const char *message;
    gsize body;
    gboolean blank;
  } rows[] = {
    { "A: b\r\n\r\nc", 8, TRUE },
    { "A: b\r\n c\r\nD :e\r\nf", 16, FALSE },
    { "\r\nA: b", 2, TRUE },
    { " A: b\r\n\r\n", 0, FALSE },
    { "\xc3\xa4: b\r\n\r\n", 0, FALSE },
    { "A: b", 4, FALSE },
    { "", 0, FALSE },
    { ": b\r\n", 0, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      gsize body;
      gboolean blank = common_message_find_body (rows[i].message, strlen (rows[i].message), &body);

      g_assert_cmpuint (body, ==, rows[i].body);
      g_assert_cmpint (blank, ==, rows[i].blank);
    }
}
