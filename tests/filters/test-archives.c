/* Archives made by the programs that people make them with, through `mailweir try` as a user runs
 * it. A program that is not installed is skipped; python3 and tar are always there. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>

typedef struct
{
  const gchar *name;    /* of the archive */
  const gchar *command; /* in the folder with evil.exe; its first word is the program */
  const gchar *reason;  /* what the refusal says */
} Row;

#define DENIED "extension exe of a file in it"

static const Row rows[] = {
  { "a.zip", "python3 -m zipfile -c a.zip evil.exe", DENIED },
  { "b.tar.gz", "tar -czf b.tar.gz evil.exe", DENIED },
  { "c.tar.xz", "bsdtar -cJf c.tar.xz evil.exe", DENIED },
  { "d.zip", "zip -q d.zip evil.exe", DENIED },
  { "e.zip", "zip -q -P secret e.zip good.txt", "encrypted: good.txt in it" },
  { "f.7z", "7z a -bd f.7z evil.exe", DENIED },
  { "g.7z", "7z a -bd -psecret g.7z good.txt", "encrypted: good.txt in it" },
  { "h.7z", "7z a -bd -psecret -mhe=on h.7z good.txt", "encrypted-names" },
  { "i.zip", "7z a -bd -tzip -psecret -mem=AES256 i.zip good.txt", "encrypted: good.txt in it" },
  { "j.iso", "bsdtar -cf j.iso --format iso9660 evil.exe", DENIED },
  { "k.tar.bz2", "bsdtar -cjf k.tar.bz2 evil.exe", DENIED },
  { "evil.exe.gz", "gzip -k evil.exe", DENIED },
};

static gint
run (const gchar *folder, gchar **arguments, gchar **out)
{
  g_autoptr (GError) error = NULL;
  gint status;

  g_spawn_sync (folder, arguments, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                NULL, out, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static void
write_message (const gchar *folder, const gchar *name)
{
  g_autofree gchar *archive = g_build_filename (folder, name, NULL);
  g_autofree gchar *message = g_build_filename (folder, "message.eml", NULL);
  g_autofree gchar *data = NULL, *encoded = NULL, *text = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (archive, &data, &length, NULL));
  encoded = g_base64_encode ((const guchar *) data, length);
  text = g_strdup_printf ("From: a@b\nContent-Type: application/octet-stream; name=\"%s\"\n"
                          "Content-Transfer-Encoding: base64\n\n%s\n",
                          name, encoded);
  g_assert_true (g_file_set_contents (message, text, -1, NULL));
}

static void
test_tool (gconstpointer data)
{
  const Row *row = data;
  g_auto (GStrv) command = g_strsplit (row->command, " ", -1);
  g_autofree gchar *program = g_find_program_in_path (command[0]);
  g_autofree gchar *folder = g_dir_make_tmp ("mailweir-archives-XXXXXX", NULL);
  g_autofree gchar *made = NULL, *told = NULL;
  gchar *files[] = { "try.conf", "message.eml", "evil.exe", "good.txt", (gchar *) row->name };
  gchar *try[] = { TRY_PROGRAM, "try",  "-c",  "try.conf",    "--from",
                   "a@b",       "--to", "c@d", "message.eml", NULL };
  static const gchar *const texts[]
      = { "hostname = \"mx.example.org\"\nmodule-directory = \"" TRY_MODULES "\"\n"
          "route \"r\" { to = [\"discard:\"] }\n"
          "listener \"l\" { bind = [\"127.0.0.1:2525\"] filters = [\"f\"] routes = [\"r\"] }\n"
          "filter \"f\" { module = \"attachments\" deny = [\"exe\"] encrypted = \"reject\" }\n",
          "", "MZ, a program\n", "a text\n" };

  if (program == NULL)
    g_test_skip (command[0]);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, files[i], NULL);

      g_assert_true (g_file_set_contents (path, texts[i], -1, NULL));
    }
  if (program != NULL)
    {
      g_assert_cmpint (run (folder, command, &made), ==, 0);
      write_message (folder, row->name);
      g_assert_cmpint (run (folder, try, &told), ==, 1);
      if (strstr (told, row->reason) == NULL)
        g_error ("no \"%s\" in: %s", row->reason, told);
    }
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree gchar *path = g_build_filename (folder, files[i], NULL);

      g_remove (path);
    }
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree gchar *path = g_strdup_printf ("/archives/%s", rows[i].name);

      g_test_add_data_func (path, &rows[i], test_tool);
    }
  return g_test_run ();
}
