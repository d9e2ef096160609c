/* Arguments to descriptors and back, for the processes that are exec'd (see handoff.h).
 *
 * The numbers stay what they are in the parent: nothing is renumbered, so nothing can be
 * overwritten on the way. Fails on an option it does not know, a number out of range, a descriptor
 * not open. */
#include "ipc/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_DESCRIPTOR 3
#define MAX_DESCRIPTOR (1024 * 1024)
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef enum
{
  DESCRIPTOR,
  NUMBER,
  STRING,
  LISTENER
} Kind;

/* One row an option. */
static const struct
{
  const gchar *name;
  Kind kind;
  gsize offset;
} rows[] = {
  { "--control", DESCRIPTOR, offsetof (IpcHandoff, control) },
  { "--sources", DESCRIPTOR, offsetof (IpcHandoff, sources) },
  { "--secrets", DESCRIPTOR, offsetof (IpcHandoff, secrets) },
  { "--status", DESCRIPTOR, offsetof (IpcHandoff, status) },
  { "--gateway", DESCRIPTOR, offsetof (IpcHandoff, gateway) },
  { "--listener", LISTENER, offsetof (IpcHandoff, listeners) },
  { "--config", STRING, offsetof (IpcHandoff, config) },
  { "--log-format", NUMBER, offsetof (IpcHandoff, log_format) },
  { "--number", NUMBER, offsetof (IpcHandoff, number) },
};

IpcHandoff *
ipc_handoff_new (void)
{
  IpcHandoff *handoff = g_new0 (IpcHandoff, 1);

  handoff->control = handoff->sources = handoff->secrets = -1;
  handoff->status = handoff->gateway = -1;
  handoff->listeners = g_array_new (FALSE, FALSE, sizeof (IpcHandoffListener));
  return handoff;
}

void
ipc_handoff_free (IpcHandoff *handoff)
{
  if (handoff == NULL)
    return;
  g_array_unref (handoff->listeners);
  g_free (handoff->config);
  g_free (handoff);
}

void
ipc_handoff_add_listener (IpcHandoff *handoff, guint listener, guint endpoint, gint descriptor)
{
  const IpcHandoffListener entry = { listener, endpoint, descriptor };

  g_array_append_val (handoff->listeners, entry);
}

static void
format_row (const IpcHandoff *handoff, guint row, GPtrArray *arguments)
{
  const void *field = (const guint8 *) handoff + rows[row].offset;
  gchar *value = NULL;

  switch (rows[row].kind)
    {
    case DESCRIPTOR:
      if (*(const gint *) field >= 0)
        value = g_strdup_printf ("%d", *(const gint *) field);
      break;
    case NUMBER:
      value = g_strdup_printf ("%u", *(const guint *) field);
      break;
    case STRING:
      value = g_strdup (*(gchar *const *) field);
      break;
    case LISTENER:
      break;
    }
  if (value == NULL)
    return;
  g_ptr_array_add (arguments, g_strdup (rows[row].name));
  g_ptr_array_add (arguments, value);
}

gchar **
ipc_handoff_format (const IpcHandoff *handoff, const gchar *program, const gchar *command)
{
  GPtrArray *arguments = g_ptr_array_new ();

  g_ptr_array_add (arguments, g_strdup (program));
  if (command != NULL)
    g_ptr_array_add (arguments, g_strdup (command));
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++)
    format_row (handoff, row, arguments);
  for (guint i = 0; i < handoff->listeners->len; i++)
    {
      const IpcHandoffListener *entry = &g_array_index (handoff->listeners, IpcHandoffListener, i);

      g_ptr_array_add (arguments, g_strdup ("--listener"));
      g_ptr_array_add (arguments, g_strdup_printf ("%u:%u:%d", entry->listener, entry->endpoint,
                                                   entry->descriptor));
    }
  g_ptr_array_add (arguments, NULL);
  return (gchar **) g_ptr_array_free (arguments, FALSE);
}

static gboolean
bad_argument (const gchar *option, const gchar *value, const gchar *why, GError **error)
{
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s %s: %s", option, value, why);
  return FALSE;
}

static gboolean
parse_number (const gchar *text, guint maximum, guint *number)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 0, maximum, &value, NULL))
    return FALSE;
  *number = (guint) value;
  return TRUE;
}

/* Sets close-on-exec, which also tells whether the descriptor is open. */
static gboolean
take_descriptor (const gchar *text, gint *descriptor)
{
  guint number;

  if (!parse_number (text, MAX_DESCRIPTOR, &number) || number < FIRST_DESCRIPTOR
      || fcntl ((gint) number, F_SETFD, FD_CLOEXEC) < 0)
    return FALSE;
  *descriptor = (gint) number;
  return TRUE;
}

static gboolean
parse_listener (IpcHandoff *handoff, const gchar *value, GError **error)
{
  g_auto (GStrv) words = g_strsplit (value, ":", 4);
  IpcHandoffListener entry;

  if (handoff->listeners->len >= IPC_HANDOFF_MAX_LISTENERS)
    return bad_argument ("--listener", value, "too many", error);
  if (g_strv_length (words) != 3 || !parse_number (words[0], G_MAXINT, &entry.listener)
      || !parse_number (words[1], G_MAXINT, &entry.endpoint)
      || !take_descriptor (words[2], &entry.descriptor))
    return bad_argument ("--listener", value, "not LISTENER:ENDPOINT:DESCRIPTOR", error);
  g_array_append_val (handoff->listeners, entry);
  return TRUE;
}

static gboolean
parse_option (IpcHandoff *handoff, guint row, const gchar *value, GError **error)
{
  void *field = (guint8 *) handoff + rows[row].offset;

  switch (rows[row].kind)
    {
    case DESCRIPTOR:
      return take_descriptor (value, field)
             || bad_argument (rows[row].name, value, "not an open descriptor", error);
    case NUMBER:
      return parse_number (value, G_MAXINT, field)
             || bad_argument (rows[row].name, value, "not a number", error);
    case STRING:
      g_free (*(gchar **) field);
      *(gchar **) field = g_strdup (value);
      return TRUE;
    case LISTENER:
      return parse_listener (handoff, value, error);
    }
  return FALSE;
}

static gboolean
parse_pair (IpcHandoff *handoff, const gchar *name, const gchar *value, GError **error)
{
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++)
    if (g_str_equal (name, rows[row].name))
      {
        if (value != NULL)
          return parse_option (handoff, row, value, error);
        return bad_argument (name, "", "needs a value", error);
      }
  return bad_argument (name, "", "unknown", error);
}

IpcHandoff *
ipc_handoff_parse (gint argc, gchar **argv, GError **error)
{
  g_autoptr (IpcHandoff) handoff = ipc_handoff_new ();

  for (gint i = 0; i < argc; i += 2)
    if (!parse_pair (handoff, argv[i], i + 1 < argc ? argv[i + 1] : NULL, error))
      return NULL;
  if (handoff->control < 0 || handoff->sources < 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "%s is missing; this command is "
                   "for mailweir's own use",
                   handoff->control < 0 ? "--control" : "--sources");
      return NULL;
    }
  return g_steal_pointer (&handoff);
}

static void
let_descriptor_through (gint descriptor)
{
  if (descriptor >= 0)
    (void) fcntl (descriptor, F_SETFD, 0);
}

void
ipc_handoff_let_through (const IpcHandoff *handoff)
{
  /* What we open is close-on-exec anyway, so a kernel without this flag (before 5.11) loses only
   * the protection against what a library or our own parent left open. */
  (void) syscall (SYS_close_range, FIRST_DESCRIPTOR, ~0U, CLOSE_RANGE_CLOEXEC);
  for (guint row = 0; row < G_N_ELEMENTS (rows); row++)
    if (rows[row].kind == DESCRIPTOR)
      let_descriptor_through (*(const gint *) ((const guint8 *) handoff + rows[row].offset));
  for (guint i = 0; i < handoff->listeners->len; i++)
    let_descriptor_through (g_array_index (handoff->listeners, IpcHandoffListener, i).descriptor);
}

static void
set_errno_error (const gchar *what, GError **error)
{
  const gint saved = errno;

  g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved), "%s: %s", what,
               g_strerror (saved));
}

static gboolean
write_all (gint descriptor, const guint8 *bytes, gsize length)
{
  gsize done = 0;

  while (done < length)
    {
      const gssize n = pwrite (descriptor, bytes + done, length - done, (off_t) done);

      if (n < 0 && errno != EINTR)
        return FALSE;
      done += n > 0 ? (gsize) n : 0;
    }
  return TRUE;
}

gint
ipc_handoff_store (const gchar *name, GBytes *bytes, GError **error)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (bytes, &length);
  const gint descriptor = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (descriptor >= 0 && write_all (descriptor, data, length)
      && fcntl (descriptor, F_ADD_SEALS, SEALS | F_SEAL_SEAL) == 0)
    return descriptor;
  set_errno_error (name, error);
  if (descriptor >= 0)
    close (descriptor);
  return -1;
}

GBytes *
ipc_handoff_load (gint descriptor, GError **error)
{
  const gint seals = fcntl (descriptor, F_GET_SEALS);
  struct stat status;
  g_autofree guint8 *bytes = NULL;
  gsize done = 0;

  if (seals < 0 || (seals & SEALS) != SEALS || fstat (descriptor, &status) < 0
      || status.st_size > IPC_HANDOFF_MAX_BUNDLE)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "descriptor %d is not a sealed bundle",
                   descriptor);
      return NULL;
    }
  bytes = g_malloc ((gsize) status.st_size + 1);
  while (done < (gsize) status.st_size)
    {
      const gssize n
          = pread (descriptor, bytes + done, (gsize) status.st_size - done, (off_t) done);

      if (n == 0 || (n < 0 && errno != EINTR))
        {
          set_errno_error ("bundle", error);
          return NULL;
        }
      done += n > 0 ? (gsize) n : 0;
    }
  return g_bytes_new_take (g_steal_pointer (&bytes), done);
}
