/* Tests of quarantine: the original and its JSON file come together, or not at all. */
#include "delivery/quarantine.h"

#include <string.h>

#include "folders.h"

#define TEXT "Subject: x\r\n\r\nlast"

static gboolean
set_aside (const gchar *maildir, gchar **name, GError **error)
{
  const gchar *mail_parameters[] = { "SIZE=10", "BODY=8BITMIME", NULL };
  const gchar *rcpt_parameters[] = { "NOTIFY=NEVER", NULL };
  g_autoptr (BasePath) from = base_path_new ("a@b", mail_parameters);
  g_autoptr (GPtrArray) to = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  DeliveryEnvelope envelope = { from, to };
  DeliveryFacts facts = { .time = 1795223289 * (gint64) G_USEC_PER_SEC,
                          .message_id = "ID1",
                          .session_id = "ID2",
                          .listener = "mx",
                          .client_address = "192.0.2.1",
                          .helo = "quo\"te\n\xff",
                          .filter = "attachments",
                          .reason = "a virus",
                          .notes = "x=y" };
  MessageSource source = message_source_from_memory ((const guint8 *) TEXT, strlen (TEXT));

  g_ptr_array_add (to, base_path_new ("c@d", rcpt_parameters));
  g_ptr_array_add (to, base_path_new ("\"e f\"@g", NULL));
  return delivery_quarantine_write (maildir, "mx", &envelope, &facts, source, name, error);
}

static const gchar expected_json[]
    = "{\n"
      "  \"id\": \"ID1\",\n"
      "  \"session\": \"ID2\",\n"
      "  \"time\": \"2026-11-21T01:08:09Z\",\n"
      "  \"listener\": \"mx\",\n"
      "  \"client_address\": \"192.0.2.1\",\n"
      "  \"client_name\": null,\n"
      "  \"helo\": \"quo\\\"te\\n\xef\xbf\xbd\",\n"
      "  \"user\": null,\n"
      "  \"sender\": {\"address\": \"a@b\", \"parameters\": [\"SIZE=10\", \"BODY=8BITMIME\"]},\n"
      "  \"recipients\": [\n"
      "    {\"address\": \"c@d\", \"parameters\": [\"NOTIFY=NEVER\"]},\n"
      "    {\"address\": \"\\\"e f\\\"@g\", \"parameters\": []}\n"
      "  ],\n"
      "  \"filter\": \"attachments\",\n"
      "  \"reason\": \"a virus\",\n"
      "  \"notes\": \"x=y\",\n"
      "  \"size\": 18\n"
      "}\n";

static void
test_files (void)
{
  gchar *maildir = new_maildir ();
  g_autoptr (GError) error = NULL;
  g_autofree gchar *name = NULL;

  g_assert_true (set_aside (maildir, &name, &error));
  g_assert_no_error (error);
  g_autofree gchar *json_name = g_strconcat (name, ".json", NULL);
  g_autofree gchar *text = contents (maildir, "new", name);
  g_autofree gchar *json = contents (maildir, "meta", json_name);
  g_assert_cmpstr (text, ==, "Subject: x\n\nlast\n");
  g_assert_cmpstr (json, ==, expected_json);
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_assert_cmpuint (count (maildir, "new"), ==, 1);
  g_assert_cmpuint (count (maildir, "meta"), ==, 1);
  free_maildir (maildir);
}

static void
assert_nothing (const gchar *maildir)
{
  g_assert_cmpuint (count (maildir, "tmp"), ==, 0);
  g_assert_cmpuint (count (maildir, "new"), ==, 0);
  g_assert_cmpuint (count (maildir, "meta"), ==, 0);
}

/* Room for the message, but not for the JSON file behind it; then not even for the message. */
static void
test_no_space (void)
{
  static const rlim_t limits[] = { 100, 5 };

  for (guint i = 0; i < G_N_ELEMENTS (limits); i++)
    {
      gchar *maildir = new_maildir ();
      g_autoptr (GError) error = NULL;
      struct rlimit before = limit_files (limits[i]);
      gboolean good = set_aside (maildir, NULL, &error);
      setrlimit (RLIMIT_FSIZE, &before);
      g_assert_false (good);
      g_assert_nonnull (error);
      g_assert_cmpint (strstr (error->message, ".json") != NULL, ==, i == 0);
      assert_nothing (maildir);
      g_assert_true (set_aside (maildir, NULL, NULL));
      free_maildir (maildir);
    }
}

/* A folder that can not take its file: the other file goes as well. */
static void
test_no_folder (void)
{
  static const gchar *const names[] = { "new", "meta" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      gchar *maildir = new_maildir ();
      g_autofree gchar *path = folder (maildir, names[i]);
      g_autoptr (GError) error = NULL;
      g_assert_cmpint (g_mkdir (maildir, 0700), ==, 0);
      g_assert_true (g_file_set_contents (path, "", 0, NULL));
      g_assert_false (set_aside (maildir, NULL, &error));
      g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR);
      assert_nothing (maildir);
      g_remove (path);
      free_maildir (maildir);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/delivery/quarantine/files", test_files);
  g_test_add_func ("/delivery/quarantine/no-space", test_no_space);
  g_test_add_func ("/delivery/quarantine/no-folder", test_no_folder);
  return g_test_run ();
}
