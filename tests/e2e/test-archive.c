/* The filter "archive" with a real Postfix behind it: who gets the copy, what the notes say once
 * Postfix has answered, and that a client that comes again leaves one. Skipped where a private
 * Postfix can not run. */
#include "kit.h"

#include <string.h>

typedef struct
{
  guint port;
  KitPostfix *postfix;
  KitProcess *mailweir;
  gchar *maildir;
} Test;

static gboolean
test_start (Test *test, const gchar *option)
{
  static guint number;
  const guint behind = kit_port ();
  const gchar *reason;
  g_autofree gchar *name = g_strdup_printf ("postfix-%u", behind);
  g_autofree gchar *to = g_strdup_printf ("\"smtp://127.0.0.1:%u\"", behind);

  test->postfix = kit_postfix (name, behind, NULL, NULL, &reason);
  if (test->postfix == NULL)
    {
      g_test_skip (reason);
      return FALSE;
    }
  test->port = kit_port ();
  test->maildir = kit_path ("archive-%u", ++number);
  g_autofree gchar *filter
      = g_strdup_printf ("filter \"copies\" {\n  module = \"archive\"\n  maildir = \"%s\"\n%s}\n",
                         test->maildir, option);
  test->mailweir = kit_gateway (test->port, to, "filters = [\"copies\"]", NULL, filter);
  return TRUE;
}

static void
test_end (Test *test)
{
  kit_gateway_stop (test->mailweir);
  kit_postfix_stop (test->postfix);
  g_free (test->maildir);
}

/* The texts of a folder of the archive. Free the array. */
static GPtrArray *
read_folder (const Test *test, const gchar *name)
{
  g_autofree gchar *folder = g_build_filename (test->maildir, name, NULL);

  return kit_messages (folder);
}

static void
deliver (const Test *test, const gchar *text, const gchar *prefix)
{
  g_autofree gchar *reply = kit_deliver (test->port, "b@up.test", text);

  if (!g_str_has_prefix (reply, prefix))
    g_error ("\"%s\" instead of \"%s\"", reply, prefix);
}

/* Waits until a note says so: message_over runs behind the client's answer. */
static void
wait_note (const Test *test, const gchar *line)
{
  for (guint i = 0; i < KIT_PATIENCE * 20; i++)
    {
      g_autoptr (GPtrArray) notes = read_folder (test, "meta");

      for (guint j = 0; j < notes->len; j++)
        if (strstr (notes->pdata[j], line) != NULL)
          return;
      g_usleep (50000);
    }
  g_error ("no note says \"%s\"", line);
}

static void
test_maildir (void)
{
  Test test = { 0 };

  if (!test_start (&test, ""))
    return;
  g_autofree gchar *folder = kit_postfix_folder (test.postfix, "b");
  deliver (&test, "Message-Id: <one@x>\n\ntext\n", "250 2.0.0 Ok: queued");
  wait_note (&test, "outcome=accepted\ncode=250\nreply=Ok: queued as ");
  deliver (&test, "Message-Id: <one@x>\n\ntext\n", "250 2.0.0 Ok: queued");
  wait_note (&test, "tries=2\nwaiting=0\n");
  kit_wait_messages (folder, 2);
  g_autoptr (GPtrArray) messages = read_folder (&test, "new");
  g_assert_cmpuint (messages->len, ==, 1);
  g_assert_cmpstr (messages->pdata[0], ==,
                   "Return-Path: <a@client.test>\nMessage-Id: <one@x>\n\ntext\n");
  test_end (&test);
}

static void
test_address (void)
{
  Test test = { 0 };

  if (!test_start (&test, "  to-address = \"c@up.test\"\n"))
    return;
  g_autofree gchar *folder = kit_postfix_folder (test.postfix, "b");
  g_autofree gchar *copies = kit_postfix_folder (test.postfix, "c");
  deliver (&test, "Message-Id: <one@x>\n\ntext\n", "250 2.0.0 Ok: queued");
  kit_wait_messages (folder, 1);
  kit_wait_messages (copies, 1);
  wait_note (&test, "outcome=accepted");
  test_end (&test);
}

/* Postfix does not know the archive's address: the message is refused, and no copy stays. */
static void
test_refused (void)
{
  Test test = { 0 };

  if (!test_start (&test, "  to-address = \"nobody@up.test\"\n  refused = true\n"))
    return;
  deliver (&test, "Message-Id: <one@x>\n\ntext\n", "550 5.1.1 ");
  wait_note (&test, "outcome=refused\ncode=550\n");
  test_end (&test);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/e2e/archive/maildir", test_maildir);
  g_test_add_func ("/e2e/archive/address", test_address);
  g_test_add_func ("/e2e/archive/refused", test_refused);
  gint result = g_test_run ();
  kit_finish ();
  return result;
}
