/* Tests of delivery into a Maildir: what stands in the file, unique names, and failures that leave
 * nothing. */
#include "delivery/maildir.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folders.h"

#define TEXT "Subject: x\r\n\r\n.dot\r\nlast\r\n"

static gboolean
deliver (const gchar *maildir, const gchar *sender, MessageEdits *edits, const gchar *text,
         gchar **name, GError **error)
{
  g_autoptr (BasePath) from = base_path_new (sender, NULL);
  g_autoptr (GPtrArray) to = g_ptr_array_new ();
  DeliveryEnvelope envelope = { from, to };
  MessageSource source = message_source_from_memory ((const guint8 *) text, strlen (text));

  return delivery_maildir_write (maildir, "mx/1:2", &envelope, "Received: by us\r\n", edits, source,
                                 name, error);
}

static void
test_file (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *name = NULL;

  g_assert_true (deliver (maildir, "a@b", NULL, TEXT, &name, &error));
  g_assert_no_error (error);
  g_autofree gchar *text = contents (maildir, "new", name);
  g_assert_cmpstr (text, ==, "Return-Path: <a@b>\nReceived: by us\nSubject: x\n\n.dot\nlast\n");
  g_autofree gchar *pattern = g_strdup_printf ("^\\d+\\.M\\d{6}P%dQ\\d+\\.mx\\\\0571\\\\0722,S=%u$",
                                               (gint) getpid (), (guint) strlen (text));
  g_assert_true (g_regex_match_simple (pattern, name, 0, 0));
  g_assert_cmpuint (count (maildir, "new"), ==, 1);
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_assert_cmpuint (count (maildir, "cur"), ==, 0);
  g_assert_true (deliver (maildir, "", NULL, TEXT, NULL, &error));
  g_assert_cmpuint (count (maildir, "new"), ==, 2);
  free_maildir (maildir);
}

static void
test_edited (void)
{
  gchar *maildir = new_maildir ();
  g_autofree gchar *name = NULL;
  g_autoptr (MessageEdits) edits = message_edits_new ();
  g_autoptr (GBytes) field = g_bytes_new_static ("X: y\r\n", 6);

  g_assert_true (message_edits_add (edits, 0, 12, field));
  g_assert_true (deliver (maildir, "", edits, TEXT, &name, NULL));
  g_autofree gchar *text = contents (maildir, "new", name);
  g_assert_cmpstr (text, ==, "Return-Path: <>\nReceived: by us\nX: y\n\n.dot\nlast\n");
  free_maildir (maildir);
}

/* Line breaks at every place around the steps in which the file is written. */
static void
test_big (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) expected = g_string_new ("Return-Path: <a@b>\nReceived: by us\n");
  g_autofree gchar *name = NULL;

  for (guint i = 0; i < 60000; i++)
    {
      g_string_append_printf (text, "%*u\r\n", (gint) (i % 11), i);
      g_string_append_printf (expected, "%*u\n", (gint) (i % 11), i);
    }
  g_assert_true (deliver (maildir, "a@b", NULL, text->str, &name, NULL));
  g_autofree gchar *stored = contents (maildir, "new", name);
  g_assert_true (g_str_equal (stored, expected->str));
  g_autofree gchar *size = g_strdup_printf (",S=%" G_GSIZE_FORMAT, expected->len);
  g_assert_true (g_str_has_suffix (name, size));
  free_maildir (maildir);
}

static void
test_sender_line_break (void)
{
  gchar *maildir = new_maildir ();
  g_autofree gchar *name = NULL;

  g_assert_true (deliver (maildir, "a@b>\r\nX: y", NULL, TEXT, &name, NULL));
  g_autofree gchar *text = contents (maildir, "new", name);
  g_assert_true (g_str_has_prefix (text, "Return-Path: <a@b>??X: y>\nReceived"));
  free_maildir (maildir);
}

static void
assert_nothing (const gchar *maildir)
{
  g_assert_cmpuint (count (maildir, "new"), ==, 0);
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_assert_cmpuint (count (maildir, "cur"), ==, 0);
}

static void
test_bare_line_break (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GError) error = NULL;

  g_assert_false (deliver (maildir, "a@b", NULL, "a\nb\r\n", NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
  assert_nothing (maildir);
  free_maildir (maildir);
}

/* The write comes back short, then fails; with room again the next delivery succeeds. */
static void
test_file_limit (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GError) error = NULL;
  struct rlimit before = limit_files (50);

  gboolean good = deliver (maildir, "a@b", NULL, TEXT, NULL, &error);
  setrlimit (RLIMIT_FSIZE, &before);
  g_assert_false (good);
  g_assert_nonnull (error);
  g_assert_true (error->domain == G_FILE_ERROR);
  g_assert_nonnull (strstr (error->message, maildir));
  assert_nothing (maildir);
  g_assert_true (deliver (maildir, "a@b", NULL, TEXT, NULL, NULL));
  free_maildir (maildir);
}

static void
test_full_disk (void)
{
  gchar *maildir = new_maildir ();
  g_autofree gchar *parent = g_path_get_dirname (maildir);
  g_autofree gchar *text = g_malloc0 (300 * 1024 + 1);
  g_autoptr (GError) error = NULL;

  if (geteuid () != 0 || mount ("tmpfs", parent, "tmpfs", 0, "size=128k") != 0)
    {
      g_test_skip ("no permission to mount a small tmpfs");
      free_maildir (maildir);
      return;
    }
  memset (text, 'x', 300 * 1024);
  gboolean good = deliver (maildir, "a@b", NULL, text, NULL, &error);
  g_assert_false (good);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC);
  assert_nothing (maildir);
  g_assert_true (deliver (maildir, "a@b", NULL, TEXT, NULL, NULL));
  g_assert_cmpint (umount (parent), ==, 0);
  free_maildir (maildir);
}

static void
test_no_descriptors (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GError) error = NULL;

  g_assert_true (deliver (maildir, "a@b", NULL, TEXT, NULL, NULL));
  struct rlimit before = limit_descriptors (0);
  gboolean good = deliver (maildir, "a@b", NULL, TEXT, NULL, &error);
  setrlimit (RLIMIT_NOFILE, &before);
  g_assert_false (good);
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_MFILE);
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_assert_cmpuint (count (maildir, "new"), ==, 1);
  free_maildir (maildir);
}

static void
test_no_parent (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (deliver ("/nonexistent/parent/mail", "a@b", NULL, TEXT, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

/* Without new/ the message can not be published: it must not stay in tmp/ either. */
static void
test_no_new (void)
{
  gchar *maildir = new_maildir ();
  g_autofree gchar *path = folder (maildir, "new");
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir (maildir, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_false (deliver (maildir, "a@b", NULL, TEXT, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_remove (path);
  free_maildir (maildir);
}

#define PROCESSES 4
#define EACH 40

/* All race for making the Maildir, too. */
static void
test_processes (void)
{
  gchar *maildir = new_maildir ();
  pid_t children[PROCESSES];

  for (guint i = 0; i < PROCESSES; i++)
    {
      children[i] = fork ();
      g_assert_cmpint (children[i], >=, 0);
      if (children[i] != 0)
        continue;
      for (guint j = 0; j < EACH; j++)
        if (!deliver (maildir, "a@b", NULL, TEXT, NULL, NULL))
          _exit (1);
      _exit (0);
    }
  for (guint i = 0; i < PROCESSES; i++)
    {
      gint status;
      g_assert_cmpint (waitpid (children[i], &status, 0), ==, children[i]);
      g_assert_cmpint (status, ==, 0);
    }
  g_autoptr (GPtrArray) names = list (maildir, "new");
  g_assert_cmpuint (names->len, ==, PROCESSES * EACH);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree gchar *text = contents (maildir, "new", names->pdata[i]);
      g_assert_true (g_str_has_suffix (text, ".dot\nlast\n"));
    }
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  free_maildir (maildir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/delivery/maildir/file", test_file);
  g_test_add_func ("/delivery/maildir/edited", test_edited);
  g_test_add_func ("/delivery/maildir/big", test_big);
  g_test_add_func ("/delivery/maildir/sender-line-break", test_sender_line_break);
  g_test_add_func ("/delivery/maildir/bare-line-break", test_bare_line_break);
  g_test_add_func ("/delivery/maildir/file-limit", test_file_limit);
  g_test_add_func ("/delivery/maildir/full-disk", test_full_disk);
  g_test_add_func ("/delivery/maildir/no-descriptors", test_no_descriptors);
  g_test_add_func ("/delivery/maildir/no-parent", test_no_parent);
  g_test_add_func ("/delivery/maildir/no-new", test_no_new);
  g_test_add_func ("/delivery/maildir/processes", test_processes);
  return g_test_run ();
}
