/* Reading and changing a quarantine. Its files are our own, but may have been edited by hand:
 * whatever does not fit is an error that names the file, and the rest goes on. */
#include "commands/quarantine-entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "message/headers.h"

#define MAX_HEADER (1024 * 1024) /* octets in which the subject is looked for */

static const gchar *const texts[]
    = { "id",   "session", "time",   "listener", "client_address", "client_name",
        "helo", "user",    "filter", "reason",   "notes" };

void
quarantine_entry_free (QuarantineEntry *entry)
{
  if (entry == NULL)
    return;
  g_free (entry->facts_path);
  g_free (entry->message_path);
  g_clear_pointer (&entry->root, json_node_unref);
  base_path_free (entry->sender);
  g_clear_pointer (&entry->recipients, g_ptr_array_unref);
  g_free (entry->subject);
  g_free (entry);
}

static gboolean
fail (GError **error, const gchar *path, const gchar *why)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: %s", path, why);
  return FALSE;
}

static gboolean
fail_errno (GError **error, const gchar *path)
{
  gint code = errno;

  g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (code), "%s: %s", path,
               g_strerror (code));
  return FALSE;
}

/* ---- The facts ---- */

static JsonNode *
parse (const gchar *path, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  GStatBuf status;

  if (g_stat (path, &status) != 0)
    {
      fail_errno (error, path);
      return NULL;
    }
  if (status.st_size > QUARANTINE_MAX_FACTS)
    {
      fail (error, path, "larger than 4 MB");
      return NULL;
    }
  if (!json_parser_load_from_file (parser, path, error))
    return NULL;
  if (json_parser_get_root (parser) != NULL
      && JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return json_parser_steal_root (parser);
  fail (error, path, "no JSON object");
  return NULL;
}

static const gchar *
text_of (JsonNode *node)
{
  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node)
      || json_node_get_value_type (node) != G_TYPE_STRING)
    return NULL;
  return json_node_get_string (node);
}

/* NULL: it is no path. */
static BasePath *
path_of (JsonNode *node)
{
  JsonObject *object
      = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  JsonNode *list = object == NULL ? NULL : json_object_get_member (object, "parameters");
  const gchar *address
      = object == NULL ? NULL : text_of (json_object_get_member (object, "address"));
  g_autoptr (GPtrArray) parameters = g_ptr_array_new ();

  if (address == NULL || (list != NULL && !JSON_NODE_HOLDS_ARRAY (list)))
    return NULL;
  for (guint i = 0; list != NULL && i < json_array_get_length (json_node_get_array (list)); i++)
    {
      const gchar *parameter = text_of (json_array_get_element (json_node_get_array (list), i));

      if (parameter != NULL)
        g_ptr_array_add (parameters, (gpointer) parameter);
    }
  g_ptr_array_add (parameters, NULL);
  return base_path_new (address, (const gchar *const *) parameters->pdata);
}

static gboolean
read_envelope (QuarantineEntry *entry, GError **error)
{
  JsonNode *list = json_object_get_member (entry->facts, "recipients");

  entry->sender = path_of (json_object_get_member (entry->facts, "sender"));
  entry->recipients = g_ptr_array_new_with_free_func ((GDestroyNotify) base_path_free);
  if (entry->sender == NULL || list == NULL || !JSON_NODE_HOLDS_ARRAY (list))
    return fail (error, entry->facts_path, "no sender, or no list of recipients");
  for (guint i = 0; i < json_array_get_length (json_node_get_array (list)); i++)
    {
      BasePath *path = path_of (json_array_get_element (json_node_get_array (list), i));

      if (path == NULL)
        return fail (error, entry->facts_path, "a recipient that is none");
      g_ptr_array_add (entry->recipients, path);
    }
  return TRUE;
}

/* ---- The message ---- */

/* In new/, or in cur/ with flags behind its name. */
static gchar *
find_message (const gchar *maildir, const gchar *name)
{
  g_autofree gchar *fresh = g_build_filename (maildir, "new", name, NULL);
  g_autofree gchar *folder = g_build_filename (maildir, "cur", NULL);
  g_autofree gchar *flagged = g_strconcat (name, ":", NULL);
  g_autoptr (GDir) directory = NULL;
  const gchar *file;

  if (g_file_test (fresh, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&fresh);
  directory = g_dir_open (folder, 0, NULL);
  while (directory != NULL && (file = g_dir_read_name (directory)) != NULL)
    if (g_str_equal (file, name) || g_str_has_prefix (file, flagged))
      return g_build_filename (folder, file, NULL);
  return NULL;
}

static void
read_subject (QuarantineEntry *entry)
{
  g_autofree guint8 *bytes = g_malloc (MAX_HEADER);
  gint fd = entry->message_path == NULL ? -1 : open (entry->message_path, O_RDONLY | O_CLOEXEC);
  gssize length = fd < 0 ? -1 : read (fd, bytes, MAX_HEADER);
  g_autoptr (MessageHeaders) headers = NULL;
  guint index;

  if (fd >= 0)
    close (fd);
  if (length <= 0)
    return;
  headers = message_headers_scan (bytes, (gsize) length, TRUE);
  index = message_headers_find (headers, "Subject", 0);
  if (index != G_MAXUINT)
    entry->subject = message_headers_value (headers, index);
}

static gboolean
read_facts (QuarantineEntry *entry, GError **error)
{
  entry->root = parse (entry->facts_path, error);
  if (entry->root == NULL)
    return FALSE;
  entry->facts = json_node_get_object (entry->root);
  return read_envelope (entry, error);
}

QuarantineEntry *
quarantine_entry_read (const gchar *maildir, const gchar *facts_name, GError **error)
{
  g_autoptr (QuarantineEntry) entry = g_new0 (QuarantineEntry, 1);
  g_autofree gchar *name = g_strndup (facts_name, strlen (facts_name) - strlen (".json"));

  entry->facts_path = g_build_filename (maildir, "meta", facts_name, NULL);
  if (!read_facts (entry, error))
    return NULL;
  entry->message_path = find_message (maildir, name);
  read_subject (entry);
  return g_steal_pointer (&entry);
}

/* ---- Changing one ---- */

static gboolean
read_again (QuarantineEntry *entry, GError **error)
{
  g_autoptr (QuarantineEntry) fresh = g_new0 (QuarantineEntry, 1);

  fresh->facts_path = g_strdup (entry->facts_path);
  if (!read_facts (fresh, error))
    return FALSE;
  json_node_unref (entry->root);
  base_path_free (entry->sender);
  g_ptr_array_unref (entry->recipients);
  entry->root = g_steal_pointer (&fresh->root);
  entry->facts = fresh->facts;
  entry->sender = g_steal_pointer (&fresh->sender);
  entry->recipients = g_steal_pointer (&fresh->recipients);
  return TRUE;
}

gint
quarantine_entry_lock (QuarantineEntry *entry, GError **error)
{
  gint fd = -1;

  if (entry->message_path == NULL)
    {
      fail (error, entry->facts_path, "its message is gone");
      return -1;
    }
  fd = g_open (entry->message_path, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0)
    fail_errno (error, entry->message_path);
  else if (flock (fd, LOCK_EX | LOCK_NB) != 0)
    fail (error, entry->message_path, "somebody else is at it");
  else if (read_again (entry, error))
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* ---- All of them ---- */

static gint
by_time (gconstpointer a, gconstpointer b)
{
  const QuarantineEntry *first = *(const QuarantineEntry *const *) a;
  const QuarantineEntry *second = *(const QuarantineEntry *const *) b;
  gint order
      = strcmp (quarantine_entry_text (first, "time"), quarantine_entry_text (second, "time"));

  return order != 0 ? order : strcmp (first->facts_path, second->facts_path);
}

GPtrArray *
quarantine_entries_read (const gchar *maildir, GError **error)
{
  g_autoptr (GPtrArray) entries
      = g_ptr_array_new_with_free_func ((GDestroyNotify) quarantine_entry_free);
  g_autofree gchar *meta = g_build_filename (maildir, "meta", NULL);
  g_autoptr (GError) none = NULL;
  g_autoptr (GDir) directory = g_dir_open (meta, 0, &none);
  const gchar *name;

  if (directory == NULL && !g_error_matches (none, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    {
      g_propagate_error (error, g_steal_pointer (&none));
      return NULL;
    }
  while (directory != NULL && (name = g_dir_read_name (directory)) != NULL)
    {
      g_autoptr (GError) fault = NULL;
      QuarantineEntry *entry = NULL;

      if (!g_str_has_suffix (name, ".json"))
        continue;
      entry = quarantine_entry_read (maildir, name, &fault);
      if (entry != NULL)
        g_ptr_array_add (entries, entry);
      else
        fprintf (stderr, "mailweir quarantine: %s\n", fault->message);
    }
  g_ptr_array_sort (entries, by_time);
  return g_steal_pointer (&entries);
}

const gchar *
quarantine_entry_text (const QuarantineEntry *entry, const gchar *name)
{
  const gchar *text = text_of (json_object_get_member (entry->facts, name));

  return text == NULL ? "" : text;
}

static gboolean
holds (const gchar *text, const gchar *folded_word)
{
  g_autofree gchar *folded = text == NULL ? NULL : g_utf8_make_valid (text, -1);
  g_autofree gchar *lower = folded == NULL ? NULL : g_utf8_casefold (folded, -1);

  return lower != NULL && strstr (lower, folded_word) != NULL;
}

gboolean
quarantine_entry_has (const QuarantineEntry *entry, const gchar *word)
{
  g_autofree gchar *valid = g_utf8_make_valid (word, -1);
  g_autofree gchar *folded = g_utf8_casefold (valid, -1);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (holds (quarantine_entry_text (entry, texts[i]), folded))
      return TRUE;
  for (guint i = 0; i < entry->recipients->len; i++)
    if (holds (((BasePath *) entry->recipients->pdata[i])->address, folded))
      return TRUE;
  return holds (entry->sender->address, folded) || holds (entry->subject, folded);
}

/* ---- Changes ---- */

gboolean
quarantine_entry_delete (QuarantineEntry *entry, GError **error)
{
  if (entry->message_path != NULL && g_unlink (entry->message_path) != 0 && errno != ENOENT)
    return fail_errno (error, entry->message_path);
  if (g_unlink (entry->facts_path) != 0 && errno != ENOENT)
    return fail_errno (error, entry->facts_path);
  return TRUE;
}

static JsonNode *
path_to_node (const BasePath *path)
{
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *object = json_object_new ();
  JsonArray *parameters = json_array_new ();

  json_object_set_string_member (object, "address", path->address);
  for (guint i = 0; path->parameters != NULL && path->parameters[i] != NULL; i++)
    json_array_add_string_element (parameters, path->parameters[i]);
  json_object_set_array_member (object, "parameters", parameters);
  json_node_take_object (node, object);
  return node;
}

gboolean
quarantine_entry_set_recipients (QuarantineEntry *entry, GPtrArray *recipients, GError **error)
{
  JsonArray *list = json_array_new ();
  g_autofree gchar *text = NULL;

  for (guint i = 0; i < recipients->len; i++)
    json_array_add_element (list, path_to_node (recipients->pdata[i]));
  json_object_set_array_member (entry->facts, "recipients", list);
  if (recipients != entry->recipients)
    {
      g_ptr_array_unref (entry->recipients);
      entry->recipients = g_ptr_array_ref (recipients);
    }
  text = json_to_string (entry->root, TRUE);
  return g_file_set_contents_full (entry->facts_path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}
