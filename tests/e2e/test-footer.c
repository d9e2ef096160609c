/* The filter "footer" through the whole program, read by a MIME library that is not ours: Python's.
 * Fails when that finds the footer missing, doubled or garbled, or any other part changed. */
#include "kit.h"

#include <string.h>

#define MESSAGE                                                                                    \
  "From: a@client.test\nTo: b@up.test\nSubject: forms\nMIME-Version: 1.0\n"                        \
  "Content-Type: multipart/mixed; boundary=m\n\n--m\n"                                             \
  "Content-Type: multipart/alternative; boundary=a\n\n"                                            \
  "--a\nContent-Type: text/plain; charset=iso-8859-1; format=flowed\n"                             \
  "Content-Transfer-Encoding: quoted-printable\n\nGr=FC=\n=DFe=20\nflow\n"                         \
  "--a\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"             \
  "PGh0bWw+PGJvZHk+R3LDvMOfZTwvYm9keT48L2h0bWw+\n--a--\n"                                          \
  "--m\nContent-Type: application/octet-stream\nContent-Disposition: attachment;\n"                \
  " filename=x\nContent-Transfer-Encoding: base64\n\nAAEC\n--m--\n"

/* Each leaf's type and content, one a line, as Python has it. */
static const gchar reader[]
    = "import email, email.policy, sys\n"
      "m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)\n"
      "for p in m.walk():\n"
      "  if not p.is_multipart():\n"
      "    c = p.get_content()\n"
      "    print(p.get_content_type(), len(p.defects), ascii(c))\n";

#define HTML "<html><body>Gr\\xfc\\xdfe"

static void
test_forms (void)
{
  const guint port = kit_port ();
  g_autofree gchar *maildir = kit_path ("maildir");
  g_autofree gchar *to = g_strdup_printf ("\"maildir:%s\"", maildir);
  g_autofree gchar *folder = g_build_filename (maildir, "new", NULL);
  g_autofree gchar *file = kit_path ("arrived");
  g_autofree gchar *output = NULL;
  const gchar *argv[] = { "python3", "-c", reader, file, NULL };
  const gchar *expected = "text/plain 0 'Gr\\xfc\\xdfe \\nflow\\nF\\xfc\\xdfe \\u20ac'\n"
                          "text/html 0 '" HTML "<p>F\\xfc\\xdfe</p>\\r\\n</body></html>'\n"
                          "application/octet-stream 0 b'\\x00\\x01\\x02'\n";

  if (!kit_have ("python3"))
    {
      g_test_skip ("python3 is not installed");
      return;
    }
  KitProcess *mailweir
      = kit_gateway (port, to, "filters = [\"foot\"]", NULL,
                     "filter \"foot\" {\n  module = \"footer\"\n  text = \"F\xc3\xbc\xc3\x9f"
                     "e \xe2\x82\xac\"\n  html = \"<p>F\xc3\xbc\xc3\x9f"
                     "e</p>\"\n}\n");
  g_autofree gchar *reply = kit_deliver (port, "b@up.test", MESSAGE);
  g_assert_true (g_str_has_prefix (reply, "250"));
  kit_wait_messages (folder, 1);
  g_autoptr (GPtrArray) messages = kit_messages (folder);
  kit_write (file, messages->pdata[0]);
  g_assert_cmpint (kit_run (argv, &output), ==, 0);
  g_assert_cmpstr (output, ==, expected);
  kit_wait_log (mailweir, "footer=added");
  kit_gateway_stop (mailweir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/footer/forms", test_forms);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
