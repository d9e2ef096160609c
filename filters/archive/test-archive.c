/* The filter "archive": one copy a message, whatever the outcome, the order and the number of
 * tries; what is no message id; disks that do not take it. */
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <mailweir/test.h>

#include "pages.h"
#include "store.h"

#define MESSAGE "From: a@b\r\nMessage-ID: <one@b>\r\n\r\nbody\r\n.\r\n\r\n"

typedef struct
{
  char *parent;
  char *maildir;
  WeirTest *harness;
} Archive;

static Archive
archive_new (const char *options)
{
  Archive archive = { g_dir_make_tmp ("archive-XXXXXX", NULL) };
  g_autofree char *filter = NULL;

  archive.maildir = g_build_filename (archive.parent, "mail", NULL);
  filter = g_strdup_printf ("filter \"f\" { module = \"archive\"\nmaildir = \"%s\"\n%s\n}",
                            archive.maildir, options);
  archive.harness = weir_test_new ("\"f\"", filter);
  return archive;
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *inside = g_build_filename (path, name, NULL);

      remove_tree (inside);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}

static void
archive_clear (Archive *archive)
{
  weir_test_free (archive->harness);
  remove_tree (archive->parent);
  g_free (archive->parent);
  g_free (archive->maildir);
}

static void
put (Archive *archive, const char *message, const char *recipients)
{
  g_auto (GStrv) list = g_strsplit (recipients, " ", -1);
  g_autoptr (WeirTestResult) result = weir_test_run_envelope (
      archive->harness, message, strlen (message), "a@b", (const char *const *) list);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
  g_assert_cmpuint (result->n_edits, ==, 0);
}

static void
over (Archive *archive, guint code, const char *text)
{
  g_autoptr (WeirTestResult) result
      = weir_test_run_hook (archive->harness, "message_over", text, code);

  g_assert_cmpint (result->verdict, ==, WEIR_TEST_PASS);
}

/* The files of a folder; the last one's path in `path`, which may be NULL. */
static guint
count (const Archive *archive, const char *folder, char **path)
{
  g_autofree char *full = g_build_filename (archive->maildir, folder, NULL);
  g_autoptr (GDir) dir = g_dir_open (full, 0, NULL);
  const char *name;
  guint found = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (*name != '.')
      {
        found++;
        if (path == NULL)
          continue;
        g_free (*path);
        *path = g_build_filename (full, name, NULL);
      }
  return found;
}

static void
check_counts (const Archive *archive, guint fresh, guint notes)
{
  g_assert_cmpuint (count (archive, "new", NULL), ==, fresh);
  g_assert_cmpuint (count (archive, "meta", NULL), ==, notes);
  g_assert_cmpuint (count (archive, "tmp", NULL), ==, 0);
}

static void
check_note (const Archive *archive, const char *line)
{
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  g_autofree char *wanted = g_strdup_printf ("\n%s\n", line);

  g_assert_cmpuint (count (archive, "meta", &path), ==, 1);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  if (strstr (text, wanted) == NULL)
    g_error ("no \"%s\" in: %s", line, text);
}

static void
test_accepted (void)
{
  Archive archive = archive_new ("");
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;

  put (&archive, MESSAGE, "c@d e@f");
  check_note (&archive, "outcome=waiting");
  check_note (&archive, "waiting=1");
  over (&archive, 250, "Ok: queued\nas x");
  check_counts (&archive, 1, 1);
  check_note (&archive, "outcome=accepted");
  check_note (&archive, "code=250");
  check_note (&archive, "reply=Ok: queued\\nas x");
  check_note (&archive, "message-id=<one@b>");
  check_note (&archive, "recipients=c@d e@f");
  check_note (&archive, "waiting=0");
  count (&archive, "new", &path);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "Return-Path: <a@b>\nFrom: a@b\nMessage-ID: <one@b>\n\nbody\n.\n\n");
  /* a second end does nothing */
  over (&archive, 550, "no");
  check_note (&archive, "outcome=accepted");
  archive_clear (&archive);
}

static void
test_refused (void)
{
  Archive archive = archive_new ("");

  put (&archive, MESSAGE, "c@d");
  over (&archive, 451, "later");
  check_counts (&archive, 0, 0);
  put (&archive, MESSAGE, "c@d");
  over (&archive, 0, "");
  check_counts (&archive, 0, 0);
  put (&archive, MESSAGE, "c@d");
  over (&archive, 250, "Ok");
  check_counts (&archive, 1, 1);
  archive_clear (&archive);
}

/* A positive answer is not always a delivery, and a refusal not always all that there is. */
static void
test_true_outcome (gconstpointer data)
{
  static const struct
  {
    const char *status;
    guint code;
    gboolean stays;
  } cases[]
      = { { "sent", 250, TRUE },         { "discarded", 250, TRUE }, { "quarantined", 250, TRUE },
          { "quarantined", 550, FALSE }, { "partial", 451, TRUE },   { "bounced", 554, FALSE } };
  gboolean refused = data != NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Archive archive = archive_new (refused ? "refused = true" : "");
      const char *word = i == 0 ? "accepted" : i == 5 ? "refused" : cases[i].status;
      g_autofree char *line = g_strdup_printf ("outcome=%s", word);

      put (&archive, MESSAGE, "c@d");
      weir_test_set_status (archive.harness, cases[i].status);
      over (&archive, cases[i].code, "Ok");
      check_counts (&archive, cases[i].stays || refused, cases[i].stays || refused);
      if (cases[i].stays || refused)
        check_note (&archive, line);
      /* what was accepted stays so */
      put (&archive, MESSAGE, "c@d");
      over (&archive, 550, "no");
      check_counts (&archive, cases[i].stays || refused, cases[i].stays || refused);
      if (cases[i].stays)
        check_note (&archive, line);
      archive_clear (&archive);
    }
}

static void
test_keep_refused (void)
{
  Archive archive = archive_new ("refused = true");

  put (&archive, MESSAGE, "c@d");
  over (&archive, 0, "");
  check_note (&archive, "outcome=taken back");
  put (&archive, MESSAGE, "c@d");
  over (&archive, 550, "no");
  check_note (&archive, "outcome=refused");
  check_note (&archive, "tries=2");
  check_counts (&archive, 1, 1);
  archive_clear (&archive);
}

/* The outcome of the first try was lost with its worker; or with the answer. */
static void
test_again (void)
{
  Archive archive = archive_new ("");

  put (&archive, MESSAGE, "c@d e@f");
  put (&archive, MESSAGE, "E@F c@d");
  check_counts (&archive, 1, 1);
  check_note (&archive, "waiting=2");
  /* one of two that go on at once is refused: the other one's copy stays */
  over (&archive, 550, "no");
  check_counts (&archive, 1, 1);
  put (&archive, MESSAGE, "c@d e@f");
  over (&archive, 250, "Ok");
  put (&archive, MESSAGE, "c@d e@f");
  over (&archive, 451, "later");
  check_counts (&archive, 1, 1);
  check_note (&archive, "outcome=accepted");
  check_note (&archive, "tries=4");
  archive_clear (&archive);
}

/* Readers move messages, give them flags, and remove them. */
static void
test_readers (void)
{
  Archive archive = archive_new ("");
  g_autofree char *path = NULL;
  g_autofree char *name = NULL;
  g_autofree char *moved = NULL;

  put (&archive, MESSAGE, "c@d");
  count (&archive, "new", &path);
  name = g_path_get_basename (path);
  moved = g_strdup_printf ("%s/cur/%s:2,S", archive.maildir, name);
  g_assert_cmpint (g_rename (path, moved), ==, 0);
  put (&archive, MESSAGE, "c@d");
  g_assert_cmpuint (count (&archive, "new", NULL), ==, 0);
  over (&archive, 550, "no");
  over (&archive, 550, "no");
  put (&archive, MESSAGE, "c@d");
  over (&archive, 250, "Ok");
  g_assert_cmpint (g_unlink (moved), ==, 0);
  put (&archive, MESSAGE, "c@d");
  over (&archive, 250, "Ok");
  g_assert_cmpuint (count (&archive, "new", NULL) + count (&archive, "cur", NULL), ==, 0);
  archive_clear (&archive);
}

/* Messages that look alike, and are not. */
static void
test_different (void)
{
  static const char *const messages[] = {
    "Message-ID: <one@b>\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\n\r\nanother body\r\n",
    "Message-ID: <two@b>\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\nSubject: yes\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\nSubject: no\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\nFrom: no\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\nContent-Transfer-Encoding: base64\r\n\r\nbody\r\n",
    "Message-ID: <one@b>\r\nMessage-ID: <two@b>\r\n\r\nbody\r\n",
    "Message-ID:\r\n\r\nbody\r\n",
    "Subject: x\r\n\r\nbody\r\n",
    "Subject: y\r\n\r\nbody\r\n",
    "Message-ID: ../../<a/b>\r\n\r\nbody\r\n",
    "\r\n",
    "no header",
  };
  Archive archive = archive_new ("");

  for (guint i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      put (&archive, messages[i], "c@d");
      over (&archive, 250, "Ok");
      check_counts (&archive, i + 1, i + 1);
    }
  put (&archive, messages[0], "c@d x@y");
  over (&archive, 250, "Ok");
  check_counts (&archive, G_N_ELEMENTS (messages) + 1, G_N_ELEMENTS (messages) + 1);
  /* the header of one with an id may change on its way */
  put (&archive, "Received: x\r\nMessage-ID: <one@b>\r\n\r\nbody\r\n", "c@d");
  over (&archive, 250, "Ok");
  check_counts (&archive, G_N_ELEMENTS (messages) + 1, G_N_ELEMENTS (messages) + 1);
  archive_clear (&archive);
}

static char *
with_id (gsize length)
{
  g_autofree char *id = g_strnfill (length, 'x');

  return g_strdup_printf ("Message-ID: %s\r\n\r\nx", id);
}

static void
test_longest_id (void)
{
  Archive archive = archive_new ("");
  g_autofree char *longest = with_id (998);
  g_autofree char *over_it = with_id (999);
  g_autofree char *wanted = g_strnfill (998, 'x');
  g_autofree char *line = g_strdup_printf ("message-id=%s", wanted);

  put (&archive, longest, "c@d");
  check_note (&archive, line);
  over (&archive, 550, "no");
  put (&archive, over_it, "c@d");
  check_note (&archive, "sender=a@b");
  over (&archive, 250, "Ok");
  check_counts (&archive, 1, 1);
  archive_clear (&archive);
}

/* What can not be written fails the filter, and leaves nothing behind. */
static void
test_failing (void)
{
  Archive archive = archive_new ("");
  g_autofree char *tmp = g_build_filename (archive.maildir, "tmp", NULL);

  g_assert_cmpint (g_mkdir (archive.maildir, 0700), ==, 0);
  g_assert_true (g_file_set_contents (tmp, "in the way", -1, NULL));
  g_autoptr (WeirTestResult) result = weir_test_run (archive.harness, MESSAGE, strlen (MESSAGE));
  g_assert_cmpint (result->verdict, ==, WEIR_TEST_FAILED);
  over (&archive, 451, "later");
  g_assert_cmpuint (count (&archive, "new", NULL), ==, 0);
  archive_clear (&archive);
}

static gssize
read_badly (guint64 offset, gpointer buffer, gsize length, gpointer data)
{
  return -1;
}

static void
test_unreadable (void)
{
  Archive archive = archive_new ("");
  static const char *const recipients[] = { "c@d", NULL };
  const StoreFacts facts = { .sender = "", .recipients = recipients };
  g_autoptr (GError) error = NULL;
  g_autofree char *key = g_strnfill (STORE_KEY, 'a');

  g_assert_false (store_put (archive.maildir, key, &facts, read_badly, NULL, &error));
  g_assert_nonnull (error);
  check_counts (&archive, 0, 0);
  archive_clear (&archive);
}

static void
test_load_errors (void)
{
  static const char *const bad[][2] = {
    { "", "neither to-address nor maildir" },
    { "maildir = \"mail\"", "test.conf:6:" },
    { "maildir = \"/nowhere/at/all\"", "/nowhere/at is not there" },
    { "to-address = \"archive\"", "no address" },
    { "to-address = \"<a@b>\"", "no address" },
    { "to-address = \"a @b\"", "no address" },
    { "to-address = \"@b\"", "no address" },
    { "to-address = \"a@\"", "no address" },
  };

  pages_expect_load_errors ("archive", bad, G_N_ELEMENTS (bad));
}

/* The configuration that the page shows, in a folder of the test's own. */
static void
test_page (void)
{
  Archive archive = archive_new ("");
  g_autofree char *page = pages_config (FILTER_SOURCE "/README.md");
  g_autoptr (GString) config = g_string_new (page);

  g_assert_cmpuint (g_string_replace (config, "/var/lib/mailweir/archive", archive.maildir, 0), ==,
                    1);
  weir_test_free (archive.harness);
  archive.harness = weir_test_new ("\"copies\"", config->str);
  put (&archive, MESSAGE, "c@d");
  check_counts (&archive, 1, 1);
  archive_clear (&archive);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/archive/accepted", test_accepted);
  g_test_add_data_func ("/archive/outcome", NULL, test_true_outcome);
  g_test_add_data_func ("/archive/outcome/refused", "refused", test_true_outcome);
  g_test_add_func ("/archive/refused", test_refused);
  g_test_add_func ("/archive/keep-refused", test_keep_refused);
  g_test_add_func ("/archive/again", test_again);
  g_test_add_func ("/archive/readers", test_readers);
  g_test_add_func ("/archive/different", test_different);
  g_test_add_func ("/archive/longest-id", test_longest_id);
  g_test_add_func ("/archive/failing", test_failing);
  g_test_add_func ("/archive/unreadable", test_unreadable);
  g_test_add_func ("/archive/page", test_page);
  g_test_add_func ("/archive/load-errors", test_load_errors);
  return g_test_run ();
}
