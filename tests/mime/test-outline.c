/* The outline that the guard draws: what it takes for clear, what it leaves to GMime, and that both
 * say the same of whatever it takes: on messages that are put together at random from what is
 * ordinary and what is not, and on the corpus (MAILWEIR_CORPUS, when it is set). */
#include <string.h>

#include "compare.h"
#include "mime/guard.h"

#define RANDOM_MESSAGES 2000
#define GMIME_BUFFER 4096 /* where GMime's reading begins anew in the middle of lines */

static gboolean
is_clear (const gchar *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree gchar *wire = g_strjoinv ("\r\n", lines);

  return compare_outlines ((const guint8 *) wire, strlen (wire));
}

#define MIXED "A: b\nContent-Type: multipart/mixed; boundary=x\n\n"

static void
test_clear (void)
{
  static const gchar *const rows[] = {
    "A: b\n\nbody\n",
    "A: b\n\n",
    "A: b\nContent-Type: text/plain; whatever (is here\n\nbody",
    "A: b\nContent-Type: image/png;\n name=\"=?utf-8?B?eA==?=\"\n\n",
    MIXED "--x\n\n--x--\n",
    MIXED "--x\n\n\n--x--\n",
    MIXED "prologue\n--x\nContent-Type: text/plain\n\na\n--x\nX: y\n\nb\n\n--x--\nepilogue\n",
    MIXED "--x\nContent-Type: multipart/alternative;\n boundary=\"y z\"; a=\"b\"\n\n--x--\n",
    MIXED
    "--x\nContent-Type: multipart/alternative;\n\tA=\"b\"; BOUNDARY=\"y\" ;\n\n--y\n\na\n--y--\n"
    "--x\nContent-Type: MULTIPART/related; boundary=y\n\n--y\n\n\n--y--\n\n--x--\n",
    MIXED
    "--x\nContent-Disposition: attachment; filename*0*=a; filename*1=b\n\n-\n--\n--z\n--x--\n",
    MIXED "--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\na\n--xy--\n--x--\n",
  };
  static const guint not_clear = 7; /* a boundary with a space */

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (is_clear (rows[i]) == (i == not_clear))
      g_error ("row %u: %s", i, rows[i]);
}

static void
test_in_doubt (void)
{
  static const gchar *const rows[] = {
    "",
    "no field\n",
    "\nbody\n",
    " fold: x\n\nbody\n",
    "A: b\n",
    "A: b\nB\n\nbody\n",
    "A: b\n \nC: d\n\nbody\n",
    "A : b\n\nbody\n",
    "A: b\nContent-Type : text/plain\n\nbody\n",
    "A: b\nContent-Type: text/plain\nContent-Type: text/html\n\nbody\n",
    "A: b\nContent-Type: text\n\nbody\n",
    "A: b\nContent-Type:\n\nbody\n",
    "A: b\nContent-Type: (c) text/plain\n\nbody\n",
    "A: b\nContent-Type: message/rfc822\n\nC: d\n\nbody\n",
    "A: b\nContent-Type: message/delivery-status\n\nC: d\n\n",
    "A: b\nContent-Type: multipart/mixed\n\nbody\n",
    "A: b\nContent-Type: multipart/digest; boundary=x\n\n--x\n\nC: d\n\nbody\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=x; boundary=y\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary*=x\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=\"=?utf-8?Q?x?=\"\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=\"\\x\"\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=\"x\n y\"\n\n--x y\n\n\n--x y--\n",
    "A: b\nContent-Type: multipart/mixed; (c) boundary=x\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=x y\n\n--x\n\n\n--x--\n",
    "A: b\nContent-Type: multipart/mixed; boundary=\"\"\n\n--\n\n\n----\n",
    MIXED "--x\n\n\n",
    MIXED "--x--\n",
    MIXED "--x\n\n\n--x--",
    MIXED "--x \n\n\n--x--\n",
    MIXED "--x\n\n\n--x-- \n",
    MIXED "--x\n\n\n--xy\n--x--\n",
    MIXED "--x\n\n\na --x\n--x--\n",
    MIXED "--x\nC: d --x\n\n\n--x--\n",
    MIXED "--x\nC: d\n--x--\n",
    MIXED "--x\n--x--\n",
    MIXED "--x\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\na\n--x--\n",
    MIXED "--x\nContent-Type: multipart/mixed; boundary=x--\n\n--x--\n\na\n--x----\n--x--\n",
    MIXED "--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\na\n--xyz\n--xy--\n--x--\n",
    MIXED "--x\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--\n--x--\n",
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (is_clear (rows[i]))
      g_error ("row %u: %s", i, rows[i]);
}

static void
expect (GString *message, gboolean clear)
{
  g_assert_true (compare_outlines ((const guint8 *) message->str, message->len) == clear);
  g_string_free (message, TRUE);
}

static GString *
many (const gchar *before, const gchar *each, guint count, const gchar *behind)
{
  GString *message = g_string_new (before);

  for (guint i = 0; i < count; i++)
    g_string_append (message, each);
  return g_string_append (message, behind);
}

static void
test_limits (void)
{
  expect (many ("A: b\r\n", "Content-X: y\r\n", 32, "\r\n"), TRUE);
  expect (many ("A: b\r\n", "Content-X: y\r\n", 33, "\r\n"), FALSE);
  expect (many ("", "A", 100, ": b\r\n\r\n"), TRUE);
  expect (many ("", "A", 101, ": b\r\n\r\n"), FALSE);
  expect (many ("A: b\r\nContent-Type: multipart/mixed; boundary=", "A", 70, "\r\n\r\n"), FALSE);
  expect (many ("A: b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n", " --", 9999,
                "\r\n--x--\r\n"),
          TRUE);
  expect (many ("A: b\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\n", " --",
                10001, "\r\n--x--\r\n"),
          FALSE);
}

/* GMime's buffer ends in every place of this message once. */
static void
test_buffer (void)
{
  static const gchar *const text
      = "Content-Type: multipart/mixed; boundary=outer\r\n\r\nprologue\r\n--outer\r\n"
        "Content-Type: multipart/alternative;\r\n\tboundary=\"in--ner\"\r\n\r\n--in--ner\r\n"
        "Content-Type: text/plain\r\n\r\n-- \r\n--a\r\n\r\n--in--ner\r\n\r\n--in--ner--\r\n\r\n"
        "--outer\r\nX: -- y\r\nContent-Type: a/b\r\n\r\n\r\n\r\n--outer--\r\n--outer\r\n";
  gsize length = strlen (text);

  for (gsize i = 0; i < length + 2; i++)
    {
      g_autoptr (GString) message = g_string_new (NULL);
      gsize pad = GMIME_BUFFER - i - strlen ("X: \r\n");

      g_string_append (message, "X: ");
      for (gsize j = 0; j < pad; j++)
        g_string_append_c (message, 'p');
      g_string_append_printf (message, "\r\n%s", text);
      g_assert_true (compare_outlines ((const guint8 *) message->str, message->len));
    }
}

/* ---- At random ---- */

typedef struct
{
  GRand *rand;
  GString *out;
  guint odd; /* one in so many pieces is out of the ordinary; 0: none */
  GPtrArray *boundaries;
} Maker;

static const gchar *
pick (const Maker *maker, const gchar *const *words, guint count)
{
  return words[g_rand_int_range (maker->rand, 0, (gint) count)];
}

#define PICK(maker, ...)                                                                           \
  pick (maker, (const gchar *const[]){ __VA_ARGS__ },                                              \
        G_N_ELEMENTS (((const gchar *const[]){ __VA_ARGS__ })))

static gboolean
is_odd (const Maker *maker)
{
  return maker->odd > 0 && g_rand_int_range (maker->rand, 0, (gint) maker->odd) == 0;
}

static const gchar *
boundary_of (const Maker *maker)
{
  guint count = maker->boundaries->len;

  return count == 0 ? "none"
                    : g_ptr_array_index (maker->boundaries,
                                         (guint) g_rand_int_range (maker->rand, 0, (gint) count));
}

static void
add_odd (const Maker *maker)
{
  const gchar *boundary = boundary_of (maker);

  switch (g_rand_int_range (maker->rand, 0, 8))
    {
    case 0:
      g_string_append_printf (maker->out, "--%s%s", boundary,
                              PICK (maker, "\r\n", "--\r\n", " \r\n"));
      break;
    case 1:
      g_string_append_printf (maker->out, "x--%s%s", boundary, PICK (maker, "\r\n", "--", "\n"));
      break;
    case 2:
      g_string_append (maker->out, PICK (maker, "\r\n", "\n", "\r", " \r\n", "\t", "\r\r\n"));
      break;
    case 3:
      g_string_append (maker->out, PICK (maker, "=?utf-8?Q?=", "\xff", "\"", "\\", "(", ";", "/"));
      break;
    case 4:
      g_string_append (maker->out, "Content-Type: message/rfc822\r\n");
      break;
    case 5:
      g_string_append (maker->out,
                       PICK (maker, "From x\r\n", "no field\r\n", ": x\r\n", " x: y\r\n"));
      break;
    case 6:
      g_string_truncate (maker->out, maker->out->len - MIN (maker->out->len, 2));
      break;
    default:
      g_string_append_printf (maker->out, "--%s", boundary);
    }
}

static void
add_text (const Maker *maker)
{
  guint lines = (guint) g_rand_int_range (maker->rand, 0, 12);

  for (guint i = 0; i < lines; i++)
    {
      guint length
          = (guint) g_rand_int_range (maker->rand, 0, g_rand_boolean (maker->rand) ? 76 : 700);

      while (length-- > 0)
        g_string_append (maker->out,
                         PICK (maker, "a", "B", " ", "-", "--", "=", "8", "\xe4", "\r"));
      if (is_odd (maker))
        add_odd (maker);
      g_string_append (maker->out, is_odd (maker) ? "\n" : "\r\n");
    }
}

static void
add_fields (const Maker *maker, const gchar *type, const gchar *boundary)
{
  guint place = (guint) g_rand_int_range (maker->rand, 0, 3);

  for (guint i = 0; i < 3; i++)
    {
      if (is_odd (maker))
        add_odd (maker);
      if (i == place && boundary != NULL)
        g_string_append_printf (maker->out, "%s: %s;%s%s%s%s\r\n",
                                PICK (maker, "Content-Type", "content-type"), type,
                                PICK (maker, " ", "", "\r\n\t", " a=\"b c\"; "),
                                PICK (maker, "boundary=\"", "BOUNDARY=\""), boundary,
                                PICK (maker, "\"", "\";", "\" ; x=y", "\"\r\n "));
      else if (i == place)
        g_string_append_printf (maker->out, "Content-Type:%s%s%s\r\n",
                                PICK (maker, " ", "", "\r\n "), type,
                                PICK (maker, "", "; charset=utf-8", "; name=\"=?x?=\"", " x"));
      else
        g_string_append (maker->out,
                         PICK (maker, "", "X-A: b\r\n", "X-A:\r\n c--d\r\n",
                               "Content-Disposition: attachment; filename*0=\"a\"\r\n",
                               "Content-Transfer-Encoding: base64\r\n", "Content-: -- x\r\n"));
    }
}

static void
add_entity (Maker *maker, guint depth)
{
  static const gchar *const types[] = { "text/plain", "TEXT/html", "image/svg+xml", "a/b" };
  gboolean multipart = depth < 4 && g_rand_int_range (maker->rand, 0, 3) > 0;
  g_autofree gchar *boundary = g_strdup_printf ("%s%u%s", PICK (maker, "", "--", "b", "=_"),
                                                (guint) g_rand_int_range (maker->rand, 1, 30),
                                                PICK (maker, "", "--", "'"));
  guint parts = (guint) g_rand_int_range (maker->rand, 1, 4);

  add_fields (maker,
              multipart ? PICK (maker, "multipart/mixed", "Multipart/X")
                        : PICK (maker, types[0], types[1], types[2], types[3]),
              multipart ? boundary : NULL);
  g_string_append (maker->out, "\r\n");
  add_text (maker);
  if (!multipart)
    return;
  g_ptr_array_add (maker->boundaries, g_strdup (boundary));
  for (guint i = 0; i < parts; i++)
    {
      g_string_append_printf (maker->out, "%s--%s\r\n", PICK (maker, "\r\n", ""), boundary);
      add_entity (maker, depth + 1);
    }
  g_string_append_printf (maker->out, "\r\n--%s--\r\n", boundary);
  add_text (maker);
}

static void
test_random (void)
{
  guint clear = 0;

  for (guint i = 0; i < RANDOM_MESSAGES; i++)
    {
      Maker maker = { .odd = i % 3 == 0 ? 0 : 10 * (i % 3) };

      maker.rand = g_rand_new_with_seed (i);
      maker.out = g_string_new ("From: a@b\r\n");
      maker.boundaries = g_ptr_array_new_with_free_func (g_free);
      add_entity (&maker, 0);
      clear += compare_outlines ((const guint8 *) maker.out->str, maker.out->len);
      g_ptr_array_unref (maker.boundaries);
      g_string_free (maker.out, TRUE);
      g_rand_free (maker.rand);
    }
  g_test_message ("%u of %u are clear", clear, RANDOM_MESSAGES);
  g_assert_cmpuint (clear, >, RANDOM_MESSAGES / 10);
  g_assert_cmpuint (clear, <, RANDOM_MESSAGES * 9 / 10);
}

/* ---- The corpus ---- */

static void
compare_file (const gchar *path, guint *tried, guint *clear)
{
  g_autofree gchar *text = NULL;
  gsize length = 0;
  g_autoptr (GString) wire = g_string_new (NULL);

  if (!g_file_get_contents (path, &text, &length, NULL) || length > 4 * 1024 * 1024)
    return;
  (*tried)++;
  compare_outlines ((const guint8 *) text, length); /* line ends as they are */
  for (gsize i = 0; i < length; i++)
    {
      if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
        g_string_append_c (wire, '\r');
      g_string_append_c (wire, text[i]);
    }
  *clear += compare_outlines ((const guint8 *) wire->str, wire->len);
}

static void
walk (const gchar *path, guint *tried, guint *clear)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const gchar *name = NULL;

  if (dir == NULL)
    compare_file (path, tried, clear);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *inner = g_build_filename (path, name, NULL);

      walk (inner, tried, clear);
    }
}

static void
test_corpus (void)
{
  const gchar *corpus = g_getenv ("MAILWEIR_CORPUS");
  guint tried = 0, clear = 0;

  if (corpus == NULL || *corpus == '\0')
    {
      g_test_skip ("MAILWEIR_CORPUS is not set");
      return;
    }
  walk (corpus, &tried, &clear);
  g_test_message ("%u of %u files are clear", clear, tried);
  g_assert_cmpuint (tried, >, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mime_init ();
  g_test_add_func ("/mime/outline/clear", test_clear);
  g_test_add_func ("/mime/outline/in-doubt", test_in_doubt);
  g_test_add_func ("/mime/outline/limits", test_limits);
  g_test_add_func ("/mime/outline/buffer", test_buffer);
  g_test_add_func ("/mime/outline/random", test_random);
  g_test_add_func ("/mime/outline/corpus", test_corpus);
  return g_test_run ();
}
