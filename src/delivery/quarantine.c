/* Quarantine: the original message in a Maildir and a JSON file about it. The JSON file is
 * published first, so that nobody finds a message without it; if the message can not follow, it
 * goes again. */
#include "delivery/quarantine.h"

#include <glib/gstdio.h>

#include "base/json.h"
#include "delivery/store.h"

static void
append_string (BaseBuffer *out, const gchar *value)
{
  if (value == NULL)
    base_buffer_append_string (out, "null");
  else
    base_json_append_string (out, value, -1);
}

static void
append_member (BaseBuffer *out, const gchar *name, const gchar *value)
{
  base_buffer_append_printf (out, "  \"%s\": ", name);
  append_string (out, value);
  base_buffer_append_string (out, ",\n");
}

static void
append_path (BaseBuffer *out, const BasePath *path)
{
  base_buffer_append_string (out, "{\"address\": ");
  append_string (out, path->address);
  base_buffer_append_string (out, ", \"parameters\": [");
  for (guint i = 0; path->parameters != NULL && path->parameters[i] != NULL; i++)
    {
      base_buffer_append_string (out, i == 0 ? "" : ", ");
      append_string (out, path->parameters[i]);
    }
  base_buffer_append_string (out, "]}");
}

static void
append_envelope (BaseBuffer *out, const DeliveryEnvelope *envelope)
{
  base_buffer_append_string (out, "  \"sender\": ");
  append_path (out, envelope->sender);
  base_buffer_append_string (out, ",\n  \"recipients\": [");
  for (guint i = 0; i < envelope->recipients->len; i++)
    {
      base_buffer_append_string (out, i == 0 ? "\n    " : ",\n    ");
      append_path (out, g_ptr_array_index (envelope->recipients, i));
    }
  base_buffer_append_string (out, "\n  ],\n");
}

static void
append_time (BaseBuffer *out, gint64 time)
{
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (time / G_USEC_PER_SEC);
  g_autofree gchar *text = date == NULL ? NULL : g_date_time_format (date, "%Y-%m-%dT%H:%M:%SZ");

  append_member (out, "time", text);
}

static void
append_facts (BaseBuffer *out, const DeliveryFacts *facts, const DeliveryEnvelope *envelope,
              guint64 size)
{
  base_buffer_append_string (out, "{\n");
  append_member (out, "id", facts->message_id);
  append_member (out, "session", facts->session_id);
  append_time (out, facts->time);
  append_member (out, "listener", facts->listener);
  append_member (out, "client_address", facts->client_address);
  append_member (out, "client_name", facts->client_name);
  append_member (out, "helo", facts->helo);
  append_member (out, "user", facts->user);
  append_envelope (out, envelope);
  append_member (out, "filter", facts->filter);
  append_member (out, "reason", facts->reason);
  append_member (out, "notes", facts->notes);
  base_buffer_append_printf (out, "  \"size\": %" G_GUINT64_FORMAT "\n}\n", size);
}

/* The paths of both files, before and after they are published. */
typedef struct
{
  gchar *message_tmp;
  gchar *message;
  gchar *json_tmp;
  gchar *json;
} Paths;

static void
clear_paths (Paths *paths)
{
  g_free (paths->message_tmp);
  g_free (paths->message);
  g_free (paths->json_tmp);
  g_free (paths->json);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Paths, clear_paths)

static gboolean
store_json (const Paths *paths, const BaseBuffer *json, GError **error)
{
  return delivery_store_bytes (paths->json_tmp, base_buffer_bytes (json), base_buffer_length (json),
                               error)
         && delivery_store_publish (paths->json_tmp, paths->json, error);
}

/* The message stands in tmp/. */
static gboolean
publish (const Paths *paths, const BaseBuffer *json, GError **error)
{
  if (!store_json (paths, json, error))
    {
      g_unlink (paths->message_tmp);
      return FALSE;
    }
  if (delivery_store_publish (paths->message_tmp, paths->message, error))
    return TRUE;
  g_unlink (paths->json);
  return FALSE;
}

gboolean
delivery_quarantine_write (const gchar *maildir, const gchar *hostname,
                           const DeliveryEnvelope *envelope, const DeliveryFacts *facts,
                           MessageSource source, gchar **name_out, GError **error)
{
  static const gchar *const folders[] = { "tmp", "new", "cur", "meta", NULL };
  g_autofree gchar *unique = delivery_store_unique_name (hostname);
  g_auto (BaseBuffer) json = BASE_BUFFER_INIT;
  g_auto (Paths) paths = { 0 };
  guint64 size;

  paths.message_tmp = g_build_filename (maildir, "tmp", unique, NULL);
  if (!delivery_store_prepare (maildir, folders, error)
      || !delivery_store_message (paths.message_tmp, NULL, NULL, source, &size, error))
    return FALSE;
  g_autofree gchar *name = g_strdup_printf ("%s,S=%" G_GUINT64_FORMAT, unique, size);
  g_autofree gchar *json_name = g_strconcat (name, ".json", NULL);
  paths.message = g_build_filename (maildir, "new", name, NULL);
  paths.json_tmp = g_build_filename (maildir, "tmp", json_name, NULL);
  paths.json = g_build_filename (maildir, "meta", json_name, NULL);
  append_facts (&json, facts, envelope, source.size);
  if (!publish (&paths, &json, error))
    return FALSE;
  if (name_out != NULL)
    *name_out = g_steal_pointer (&name);
  return TRUE;
}
