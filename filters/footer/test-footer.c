/* The filter "footer": texts as text, parts as bytes, then whole messages. What no footer touches
 * must be there byte for byte; what can not be done must leave the message as it came. */
#include <string.h>

#include <glib/gstdio.h>

#include <mailweir/test.h>

#include "pages.h"
#include "entity.h"
#include "part.h"
#include "text.h"

/* ---- Texts ---- */

static void
check_essence (const char *text, gboolean html, const char *expected)
{
  g_autofree char *essence = text_essence (text, html);

  g_assert_cmpstr (essence, ==, expected);
}

static void
test_essence (void)
{
  check_essence (" a\r\n> b\t|c", FALSE, "abc");
  check_essence ("<p class=\"x\">a&nbsp;&lt;b&#62;&#x41;</p>\n&unknown;&", TRUE, "a<bA&unknown;&");
  check_essence ("a\xc2\xa0\xc2\xa0 \xc2", FALSE, "a\xc2");
  check_essence ("<never closed", TRUE, "");
  check_essence ("&#0;&#9999999;&#xd800;&amp", TRUE, "&amp");
  check_essence ("", TRUE, "");
}

static void
test_essence_is_linear (void)
{
  static const char *const bombs[] = { "\xc2\xa0", "&", "<", "&nbsp;", "<>", "&#" };

  for (guint i = 0; i < G_N_ELEMENTS (bombs); i++)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      while (text->len < 1000000)
        g_string_append (text, bombs[i]);
      g_free (text_essence (text->str, TRUE));
      g_free (text_essence (text->str, FALSE));
    }
}

static void
check_text (char *got, const char *expected)
{
  g_assert_cmpstr (got, ==, expected);
  g_free (got);
}

static void
test_forms (void)
{
  check_text (text_to_html ("a <b>\n& c\n"), "<div>a &lt;b&gt;<br>\n&amp; c</div>\n");
  check_text (text_html_ascii ("a\xc3\xa4\xe2\x82\xac"), "a&#228;&#8364;");
  check_text (text_flowed ("a  \n-- \n> b\nFrom c\n d"), "a\n-- \n > b\n From c\n  d");
  check_text (text_crlf ("a\nb\r\nc"), "a\r\nb\r\nc");
}

static void
test_encodings (void)
{
  g_autofree char *x = g_strnfill (100, 'x');
  g_autofree char *quoted = text_quote (x, 100);
  g_autofree char *base64 = text_base64 (x, 100);

  check_text (text_quote ("a=\xc3\xa4 \r\n\t\r\n.b c\n", 15), "a=3D=C3=A4=20\r\n=09\r\n=2Eb c=0A");
  check_text (text_quote ("", 0), "");
  g_assert_nonnull (strstr (quoted, "x=\r\nx"));
  for (const char *line = quoted; line != NULL; line = strstr (line, "\r\n"))
    {
      line += *line == '\r' ? 2 : 0;
      g_assert_cmpuint (strcspn (line, "\r"), <=, 76);
    }
  g_assert_cmpuint (strcspn (base64, "\r"), ==, 76);
  g_assert_true (g_str_has_suffix (base64, "\r\n"));
}

static void
test_entity (void)
{
  check_text (entity_set_charset (" text/plain", "u"), " text/plain; charset=u");
  check_text (entity_set_charset (" text/plain; Charset = \"a b\"; x=y\r\n", "u"),
              " text/plain; Charset = u; x=y");
  check_text (entity_set_charset (" text/plain;\r\n\tcharset=latin1\r\n", "u"),
              " text/plain;\r\n\tcharset=u");
  check_text (entity_set_charset (" text/plain; x=\"; charset=no\"", "u"),
              " text/plain; x=\"; charset=no\"; charset=u");
  check_text (entity_set_charset (" text/plain; charset=\r\n", "u"), " text/plain; charset=u");
  check_text (entity_set_charset (" text/plain; charset= \r\n ", "u"), " text/plain; charset=u");
  check_text (entity_set_charset (" text/plain; charset=\r\n ; x=y\r\n", "u"),
              " text/plain; charset=\r\n u; x=y");
  check_text (entity_set_charset (" text/plain; charset=a; charset=b", "u"), NULL);
  check_text (entity_set_charset (" text/plain; charset*0=a; charset*1=b", "u"), NULL);
  check_text (entity_set_charset (" text/plain (; charset=a", "u"), NULL);
  check_text (entity_set_charset (" text/plain; charset=\"a", "u"), NULL);
  check_text (entity_set_field ("A: b\r\nX: y\r\n z\r\nC: d\r\n\r\n", "x", " new"),
              "A: b\r\nx: new\r\nC: d\r\n\r\n");
  check_text (entity_set_field ("A: b\r\n\r\n", "X", "new"), "A: b\r\nX: new\r\n\r\n");
  check_text (entity_set_field ("\r\n", "X", "new"), "X: new\r\n\r\n");
}

/* ---- Messages ---- */

#define ASCII "text = \"\\n-- \\nOurs & yours\\n\"\n"
#define UMLAUT "text = \"F\xc3\xbc\xc3\x9f\x65\"\n"

static WeirTestResult *
run_bytes (const char *options, const char *message, gsize length)
{
  g_autofree char *filter = g_strdup_printf ("filter \"f\" { module = \"footer\"\n%s\n}", options);
  g_autoptr (WeirTest) harness = weir_test_new ("\"f\"", filter);

  return weir_test_run (harness, message, length);
}

static void
check (const char *options, const char *message, const char *expected)
{
  g_autofree char *wire = weir_test_crlf (message);
  g_autofree char *wanted = weir_test_crlf (expected);
  g_autoptr (WeirTestResult) result = run_bytes (options, wire, strlen (wire));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_test_message ("%.*s", (int) g_bytes_get_size (result->message),
                  (const char *) g_bytes_get_data (result->message, NULL));
  weir_test_assert_message (result, wanted, strlen (wanted));
}

static void
check_alone (const char *options, const char *message, const char *why)
{
  g_autofree char *wire = weir_test_crlf (message);
  g_autoptr (WeirTestResult) result = run_bytes (options, wire, strlen (wire));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpuint (result->n_edits, ==, 0);
  g_assert_nonnull (strstr (result->notes, why));
}

static void
test_plain (void)
{
  check (ASCII, "Subject: x\n\ntext\n", "Subject: x\n\ntext\n\n-- \nOurs & yours\n");
  check (ASCII, "Subject: x\n\ntext", "Subject: x\n\ntext\n\n-- \nOurs & yours");
  check (ASCII, "Subject: x\n\n", "Subject: x\n\n\n-- \nOurs & yours\n");
  check ("text = \" > a\\nFrom b  \"", "Content-Type: text/plain; format=flowed\n\nflows \n",
         "Content-Type: text/plain; format=flowed\n\nflows \n  > a\n From b\n");
  check (UMLAUT,
         "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n\xe4\n",
         "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"
         "\xe4\nF\xfc\xdf\x65\n");
}

static void
test_quoted (void)
{
#define QUOTED                                                                                     \
  "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
  check (UMLAUT, QUOTED "odd=3d=E4=\n x\n", QUOTED "odd=3d=E4=\n x\nF=FC=DFe\n");
  check (UMLAUT, QUOTED "soft=\n", QUOTED "soft=\n\nF=FC=DFe\n");
  check (UMLAUT, QUOTED "open=", QUOTED "open=\n\nF=FC=DFe");
}

static void
test_base64 (void)
{
#define BASE64 "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
  /* "text\r\n", and the same in two padded pieces */
  check (UMLAUT, BASE64 "dGV4dA0K\n", BASE64 "dGV4dA0KRsO8w59lDQo=\n");
  check (UMLAUT, BASE64 "dA==\nZXh0DQo=\n", BASE64 "dGV4dA0KRsO8w59lDQo=\n");
}

/* The charset can not hold it: the part becomes UTF-8, quoted. */
static void
test_charset (void)
{
  check (UMLAUT, "Subject: x\n\ntext\n",
         "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
         "Content-Transfer-Encoding: quoted-printable\n\ntext\nF=C3=BC=C3=9Fe\n");
  check ("text = \"\xe2\x82\xac\"",
         "MIME-Version: 1.0\nContent-Type: text/plain; x=y;\n\tcharset=\"iso-8859-1\"; z=1\n"
         "Content-Transfer-Encoding: 8bit\n\n\xe4=\n",
         "MIME-Version: 1.0\nContent-Type: text/plain; x=y;\n\tcharset=utf-8; z=1\n"
         "Content-Transfer-Encoding: quoted-printable\n\n=C3=A4=3D\n=E2=82=AC\n");
  /* not what it says: no accents then */
  check (UMLAUT, "Content-Type: text/plain; charset=us-ascii\n\n\xe4\xff\n",
         "Content-Type: text/plain; charset=us-ascii\n\n\xe4\xff\nFusse\n");
  /* UTF-16, base64 */
  check ("text = \"b\"",
         "Content-Type: text/plain; charset=utf-16le\nContent-Transfer-Encoding: base64\n\n"
         "YQANAAoA\n",
         "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n"
         "MIME-Version: 1.0\n\nYQ0KYg0K\n");
  check_alone (ASCII, "Content-Type: text/plain; charset=x-nobody-knows\n\nx\n", "unknown charset");
}

#define HTML "Content-Type: text/html; charset=us-ascii\n\n"

static void
test_html (void)
{
  check (UMLAUT, HTML "<html><body>a</body></html>\n",
         HTML "<html><body>a<div>F&#252;&#223;e</div>\n</body></html>\n");
  check (UMLAUT, HTML "<BODY>a</Body>b</BODY\n>",
         HTML "<BODY>a</Body>b<div>F&#252;&#223;e</div>\n</BODY\n>");
  check (UMLAUT, HTML "a</html>\n", HTML "a<div>F&#252;&#223;e</div>\n</html>\n");
  check (UMLAUT, HTML "a\n", HTML "a\n<div>F&#252;&#223;e</div>\n");
  check ("text = \"x\"\nhtml = \"<p id=1>\"",
         "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n"
         "<body=\n>a</body>\n",
         "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n"
         "<body=\n>a=\n<p id=3D1>\n</body>\n");
  /* the tag is hidden by the encoding: all is encoded anew */
  check ("text = \"x\"\nhtml = \"<p>\"",
         "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\na=3C/bo=\ndy>\n",
         "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\na<p>\n</body>\n");
}

#define MIXED                                                                                      \
  "Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\npre\n--m\n"
#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=a\n\n--a\n"

static void
test_multipart (void)
{
  check (ASCII,
         MIXED "X-Odd :  kept \nContent-Type: text/plain\n\ntext\n\n--m\nContent-Type: text/plain\n"
               "\nsecond\n--m--\nepilogue\n",
         MIXED "X-Odd :  kept \nContent-Type: text/plain\n\ntext\n\n-- \nOurs & yours\n\n--m\n"
               "Content-Type: text/plain\n\nsecond\n--m--\nepilogue\n");
  check ("text = \"T\"\nhtml = \"H\"",
         MIXED ALTERNATIVE
         "\ntext\n--a\nContent-Type: multipart/related; boundary=r\n\n--r\n"
         "Content-Type: text/html\n\n<body>h</body>\n--r\nContent-Type: text/html\n\n"
         "other\n--r--\n--a--\n--m\n\nnext\n--m--\n",
         MIXED ALTERNATIVE "\ntext\nT\n--a\nContent-Type: multipart/related; boundary=r\n\n--r\n"
                           "Content-Type: text/html\n\n<body>hH\n</body>\n--r\n"
                           "Content-Type: text/html\n\nother\n--r--\n--a--\n--m\n\nnext\n--m--\n");
  check ("text = \"T\"",
         MIXED "Content-Disposition: attachment; filename=x\n\nattached\n--m\nContent-Type: "
               "image/png\n\nx\n--m\nContent-Disposition: inline\n\ninline\n--m--\n",
         MIXED "Content-Disposition: attachment; filename=x\n\nattached\n--m\nContent-Type: "
               "image/png\n\nx\n--m\nContent-Disposition: inline\n\ninline\nT\n--m--\n");
  check (UMLAUT, MIXED "\ntext\n--m--\n",
         MIXED "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: "
               "quoted-printable\n\ntext\nF=C3=BC=C3=9Fe\n--m--\n");
}

/* A NUL ends nothing. */
static void
test_nul (void)
{
  static const char head[] = "Content-Type: text/plain; charset=iso-8859-1\r\n"
                             "Content-Transfer-Encoding: 8bit\r\n\r\n";
  static const char body[] = "a\0\xe4\r\nb\r\n";
  g_autoptr (GString) message = g_string_new (head);
  g_autoptr (WeirTestResult) result = NULL;
  g_autofree char *text = NULL;

  g_string_append_len (message, body, sizeof body - 1);
  result = run_bytes ("text = \"\xe2\x82\xac\"", message->str, message->len);
  text = g_strndup (g_bytes_get_data (result->message, NULL), g_bytes_get_size (result->message));
  g_assert_nonnull (strstr (text, "\r\n\r\na=00=C3=A4\r\nb\r\n=E2=82=AC\r\n"));
}

static void
test_left_alone (void)
{
  static const char *const messages[][2] = {
    { "Content-Type: multipart/signed; boundary=a\n\n--a\n\nx\n--a\n\ny\n--a--\n", "signed" },
    { "Content-Type: multipart/encrypted; boundary=a\n\n--a\n\nx\n--a--\n", "signed" },
    { "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nx\n", "signed" },
    { MIXED "Content-Type: multipart/signed; boundary=a\n\n--a\n\nx\n--a--\n--m--\n", "signed" },
    { "Subject: x\n\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\nx\n", "signed" },
    { "Subject: x\n\nhello\n-----BEGIN PGP MESSAGE-----\n\nx\n", "signed" },
    { "Content-Type: multipart/report; boundary=a\n\n--a\n\nx\n--a--\n", "report" },
    { "Content-Type: image/png\n\nx\n", "no text" },
    { "Content-Type: message/rfc822\n\nSubject: y\n\nx\n", "no text" },
    { "Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n", "no text" },
    { "Content-Type: text/plain\nContent-Type: text/html\n\nx\n", "two ways" },
    { "Content-Type: text/plain\nContent-Transfer-Encoding: x-odd\n\nx\n", "two ways" },
    { "From a@b Sat\nContent-Type: text/html\n\n<body></body>\n", "two ways" },
    { "Subject: x\n\ntext\n> -- \n> Ours &\n> yours\n", "there already" },
    { "Content-Type: text/html\n\n<p>--<br>Ours&nbsp;&amp; <b>yours</b>\n", "there already" },
    { "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
      "LS0gT3VycyAmYW1wOyB5b3Vycw==\n",
      "there already" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    check_alone (ASCII, messages[i][0], messages[i][1]);
  check ("once = false\n" ASCII, "A: b\n\n-- \nOurs & yours\n",
         "A: b\n\n-- \nOurs & yours\n\n-- \nOurs & yours\n");
}

/* What was signed is in the first part, octet for octet, and the header keeps what is not MIME's.
 */
static void
test_wrap (void)
{
#define SIGNED "--a\nX :  y\n\ntext \n--a\nContent-Type: application/pgp-signature\n\nz\n--a--\n"
  g_autofree char *wire
      = weir_test_crlf ("Subject: x\nContent-Type: multipart/signed; boundary=a;\n"
                        "\tmicalg=x\nTo: y\n\n" SIGNED);
  g_autofree char *inner = weir_test_crlf (
      "\nContent-Type: multipart/signed; boundary=a;\n\tmicalg=x\n\n" SIGNED "\n--");
  g_autoptr (WeirTestResult) result = run_bytes ("signed = \"wrap\"\n" ASCII, wire, strlen (wire));
  g_autofree char *text
      = g_strndup (g_bytes_get_data (result->message, NULL), g_bytes_get_size (result->message));

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_true (g_str_has_prefix (text, "Subject: x\r\nContent-Type: multipart/mixed; boundary="));
  g_assert_nonnull (strstr (text, "\r\nTo: y\r\n\r\n--"));
  if (strstr (text, inner) == NULL)
    g_error ("%s", text);
  g_assert_nonnull (strstr (text, "\r\nOurs & yours\r\n"));
  g_assert_nonnull (strstr (result->notes, "footer=wrapped"));
}

/* ---- Loading ---- */

static void
test_load_errors (void)
{
  g_autofree char *line = g_strnfill (901, 'x');
  g_autofree char *long_line = g_strdup_printf ("text = \"%s\"", line);
  const char *const bad[][2] = {
    { "", "neither text nor text-file" },
    { "html = \"x\"", "neither text nor text-file" },
    { "text = \"\"", "the footer is empty" },
    { "text = \"x\"\ntext-file = \"/x\"", "test.conf:7:" },
    { "text-file = \"x\"", "whole path" },
    { "text-file = \"/nowhere/x\"", "/nowhere/x" },
    { "text = \"x\"\nhtml-file = \"/nowhere/y\"", "/nowhere/y" },
    { "text = \"x\"\nsigned = \"break\"", "signed" },
    { long_line, "900" },
  };

  pages_expect_load_errors ("footer", bad, G_N_ELEMENTS (bad));
}

static void
test_files (void)
{
  g_autofree char *path = NULL;
  g_autofree char *options = NULL;
  int fd = g_file_open_tmp ("footer-XXXXXX", &path, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_assert_true (g_file_set_contents (path, "one\r\ntwo\n", -1, NULL));
  options = g_strdup_printf ("text-file = \"%s\"", path);
  check (options, "A: b\n\nx\n", "A: b\n\nx\none\ntwo\n");
  g_unlink (path);
}

/* The configuration that the page shows works as it stands. */
static void
test_page (void)
{
  g_autofree char *config = pages_config (FILTER_SOURCE "/README.md");
  g_autoptr (WeirTest) harness = weir_test_new ("\"disclaimer\"", config);
  g_autoptr (WeirTestResult) result = weir_test_run (harness, "A: b\r\n\r\nx\r\n", 11);

  g_assert_cmpstr (result->notes, ==, "footer=added\n");
}

/* ---- Everything else ---- */

static WeirTest *everything;

/* Whatever it is, it passes; and what has the footer does not gain a second one. */
static void
check_twice (const char *path, const char *message, gsize length, gpointer data)
{
  g_autoptr (WeirTestResult) once = weir_test_run (everything, message, length);
  gsize size;
  const char *bytes = g_bytes_get_data (once->message, &size);
  g_autoptr (WeirTestResult) twice = weir_test_run (everything, bytes, size);

  g_test_message ("%s: %s", path, once->notes);
  if (once->verdict == WEIR_TEST_REFUSED) /* the host's own limits */
    return;
  g_assert_cmpint (once->verdict, ==, WEIR_TEST_PASS);
  if (strstr (once->notes, "footer=added\n") == NULL)
    return;
  g_assert_cmpint (twice->verdict, ==, WEIR_TEST_PASS);
  weir_test_assert_message (twice, bytes, size);
}

static void
test_hostile (void)
{
  static const char *const messages[] = {
    "A: b",
    "no header\n",
    "\n",
    "Content-Type: text/html\n\n</body",
    "Content-Type:\n\n",
    "Content-Type: multipart/mixed\n\n--x\n\ntext\n",
    "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\ntext\n----\n",
    "Content-Type: multipart/mixed; boundary=a\n\n--a\n--a\n\n--a\nA: b\n--a\n--a--\n",
    "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n",
    ("Content-Type: multipart/mixed; boundary=a\n\n--a\n"
     "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n--a--\n"),
    "Content-Type: text/plain; charset=\"utf-7\"\n\n+AOQ-\n",
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n=\n",
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=\n=",
    "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B\n",
    "Content-Type: text/plain; charset*=utf-8\n\nx\n",
    "Content-Type: text/html\n\n&#;&<\n",
  };

  everything = weir_test_new ("\"f\"", "filter \"f\" { module = \"footer\"\n" UMLAUT "}");
  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autofree char *wire = weir_test_crlf (messages[i]);

      check_twice (messages[i], wire, strlen (wire), NULL);
    }
  weir_test_free (everything);
}

static void
test_corpus (void)
{
  everything = weir_test_new ("\"f\"", "filter \"f\" { module = \"footer\"\n" UMLAUT "}");
  if (!pages_corpus (check_twice, NULL))
    g_test_skip ("MAILWEIR_CORPUS names no folder with messages");
  weir_test_free (everything);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/footer/essence", test_essence);
  g_test_add_func ("/footer/essence-is-linear", test_essence_is_linear);
  g_test_add_func ("/footer/forms", test_forms);
  g_test_add_func ("/footer/encodings", test_encodings);
  g_test_add_func ("/footer/entity", test_entity);
  g_test_add_func ("/footer/plain", test_plain);
  g_test_add_func ("/footer/quoted", test_quoted);
  g_test_add_func ("/footer/base64", test_base64);
  g_test_add_func ("/footer/charset", test_charset);
  g_test_add_func ("/footer/html", test_html);
  g_test_add_func ("/footer/multipart", test_multipart);
  g_test_add_func ("/footer/nul", test_nul);
  g_test_add_func ("/footer/left-alone", test_left_alone);
  g_test_add_func ("/footer/wrap", test_wrap);
  g_test_add_func ("/footer/load-errors", test_load_errors);
  g_test_add_func ("/footer/page", test_page);
  g_test_add_func ("/footer/files", test_files);
  g_test_add_func ("/footer/hostile", test_hostile);
  g_test_add_func ("/footer/corpus", test_corpus);
  return g_test_run ();
}
