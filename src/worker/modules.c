/* Opening filter modules and checking the constant that each exports: a module that was built
 * against another header, or has a table that points outside of its block, is refused with a GError
 * that says what is wrong. What is opened stays open: constants of a module are referred to until
 * the process ends. */
#include "worker/modules.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <gmodule.h>

#include "smtp/server.h"

#define MAX_OPTIONS 256
#define MAX_CONFIG_SIZE (1024 * 1024)
#define MAX_BODY_CHUNK (64 * 1024 * 1024)

static gboolean fail (GError **error, const gchar *path, const gchar *format, ...)
    G_GNUC_PRINTF (3, 4);

static gboolean
fail (GError **error, const gchar *path, const gchar *format, ...)
{
  g_autofree gchar *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: %s", path, text);
  return FALSE;
}

static gsize
option_size (WeirOptionType type)
{
  switch (type)
    {
    case WEIR_OPTION_STRING:
    case WEIR_OPTION_STRING_LIST:
      return sizeof (gpointer);
    case WEIR_OPTION_INTEGER:
    case WEIR_OPTION_SIZE:
    case WEIR_OPTION_DURATION:
      return sizeof (gint64);
    case WEIR_OPTION_BOOLEAN:
    case WEIR_OPTION_CHOICE:
      return sizeof (gint);
    }
  return 0;
}

static gboolean
check_option (const WeirFilter *filter, const WeirOption *option, const gchar *path, GError **error)
{
  gsize size = option_size (option->type);

  if (size == 0)
    return fail (error, path, "option \"%s\" has no known type", option->name);
  if (option->offset > filter->config_size || size > filter->config_size - option->offset
      || option->offset % size != 0)
    return fail (error, path, "option \"%s\" lies outside of config_size", option->name);
  if (option->type == WEIR_OPTION_CHOICE && (option->choices == NULL || option->choices[0] == NULL))
    return fail (error, path, "option \"%s\" has no choices", option->name);
  return TRUE;
}

static gboolean
check_options (const WeirFilter *filter, const gchar *path, GError **error)
{
  guint count = 0;

  for (const WeirOption *option = filter->options; option != NULL && option->name != NULL; option++)
    if (++count > MAX_OPTIONS)
      return fail (error, path, "more than %d options: the table has no end", MAX_OPTIONS);
    else if (!check_option (filter, option, path, error))
      return FALSE;
  return TRUE;
}

gboolean
worker_module_check_verb (const gchar *verb, const gchar *path, GError **error)
{
  gsize length = strlen (verb);

  if (length == 0 || length > 32)
    return fail (error, path, "the command \"%s\" has no length from 1 to 32", verb);
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isalnum (verb[i]) && verb[i] != '-')
      return fail (error, path, "the command \"%s\" has other than letters, digits and '-'", verb);
  if (smtp_server_is_own_verb (verb))
    return fail (error, path, "the command \"%s\" is one of the gateway's own", verb);
  return TRUE;
}

static gboolean
check_commands (const WeirFilter *filter, const gchar *path, GError **error)
{
  guint count = 0;

  for (const WeirCommand *command = filter->commands; command != NULL && command->verb != NULL;
       command++)
    if (++count > WORKER_MAX_COMMANDS)
      return fail (error, path, "more than %d commands: the table has no end", WORKER_MAX_COMMANDS);
    else if (command->run == NULL)
      return fail (error, path, "the command \"%s\" has no function", command->verb);
    else if (!worker_module_check_verb (command->verb, path, error))
      return FALSE;
  return TRUE;
}

static gboolean
check_filter (const WeirFilter *filter, const gchar *path, GError **error)
{
  const guint known = WEIR_EDIT_SENDER | WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_PARTS
                      | WEIR_EDIT_BODY | WEIR_EDIT_MESSAGE;

  if (filter->abi != WEIR_FILTER_ABI)
    return fail (error, path, "was built for version %u of the filter interface, this is %u",
                 filter->abi, WEIR_FILTER_ABI);
  if (filter->size != sizeof (WeirFilter))
    return fail (error, path, "its WeirFilter has %" G_GSIZE_FORMAT " octets instead of %zu",
                 filter->size, sizeof (WeirFilter));
  if (filter->name == NULL || *filter->name == '\0' || filter->summary == NULL)
    return fail (error, path, "has no name or no summary");
  if (filter->state_size > WEIR_MAX_STATE)
    return fail (error, path, "state_size is %" G_GSIZE_FORMAT ", the most is %d",
                 filter->state_size, WEIR_MAX_STATE);
  if (filter->config_size > MAX_CONFIG_SIZE
      || (filter->body_chunk > MAX_BODY_CHUNK && filter->body_chunk != WEIR_BODY_LINES))
    return fail (error, path, "config_size or body_chunk is absurd");
  if ((filter->edits & ~known) != 0)
    return fail (error, path, "declares edits of unknown kind (%#x)", filter->edits);
  return check_options (filter, path, error) && check_commands (filter, path, error);
}

/* `*reason` becomes the errno of a file that may be there, but can not be looked at. A file that
 * may only not be read is found: opening it says why. */
static gboolean
is_file (const gchar *path, gint *reason)
{
  struct stat status;

  if (stat (path, &status) == 0)
    return S_ISREG (status.st_mode);
  if (errno != ENOENT && errno != ENOTDIR)
    *reason = errno;
  return FALSE;
}

static gchar *
find_module (const gchar *name, const gchar *const *directories, gint *reason)
{
  g_autofree gchar *file = g_strconcat (name, ".so", NULL);

  if (strchr (name, '/') != NULL)
    return is_file (name, reason) ? g_strdup (name) : NULL;
  for (; *directories != NULL; directories++)
    {
      g_autofree gchar *flat = g_build_filename (*directories, file, NULL);
      g_autofree gchar *deep = g_build_filename (*directories, name, file, NULL);

      if (is_file (flat, reason))
        return g_steal_pointer (&flat);
      if (is_file (deep, reason))
        return g_steal_pointer (&deep);
    }
  return NULL;
}

static void
fail_to_find (const gchar *name, const gchar *const *directories, gint reason, GError **error)
{
  g_auto (GStrv) names = NULL;
  const gchar *nearest = NULL;

  if (strchr (name, '/') == NULL)
    {
      names = worker_module_list (directories);
      nearest = config_suggest (name, (const gchar *const *) names);
    }
  if (reason != 0)
    fail (error, name, "the module can not be looked for: %s", g_strerror (reason));
  else if (nearest != NULL)
    fail (error, name, "no such module; did you mean \"%s\"?", nearest);
  else
    fail (error, name, "no such module");
}

const WeirFilter *
worker_module_open (const gchar *name, const gchar *const *directories, GError **error)
{
  gint reason = 0;
  g_autofree gchar *path = find_module (name, directories, &reason);
  GModule *module = NULL;
  gpointer symbol = NULL;

  if (path == NULL)
    {
      fail_to_find (name, directories, reason, error);
      return NULL;
    }
  module = g_module_open (path, G_MODULE_BIND_LOCAL);
  if (module == NULL)
    {
      fail (error, path, "%s", g_module_error ());
      return NULL;
    }
  g_module_make_resident (module);
  if (!g_module_symbol (module, "weir_filter", &symbol) || symbol == NULL)
    {
      fail (error, path, "exports no weir_filter");
      return NULL;
    }
  if (!check_filter (symbol, path, error))
    return NULL;
  if (strchr (name, '/') == NULL && strcmp (((const WeirFilter *) symbol)->name, name) != 0)
    {
      fail (error, path, "calls itself \"%s\"", ((const WeirFilter *) symbol)->name);
      return NULL;
    }
  return symbol;
}

static void
list_directory (const gchar *directory, GHashTable *names)
{
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const gchar *entry = NULL;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree gchar *file = g_strconcat (entry, ".so", NULL);
      g_autofree gchar *deep = g_build_filename (directory, entry, file, NULL);

      if (g_str_has_suffix (entry, ".so"))
        g_hash_table_add (names, g_strndup (entry, strlen (entry) - 3));
      else if (g_file_test (deep, G_FILE_TEST_IS_REGULAR))
        g_hash_table_add (names, g_strdup (entry));
    }
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const gchar *const *) a, *(const gchar *const *) b);
}

gchar **
worker_module_list (const gchar *const *directories)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) list = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer name = NULL;

  for (; *directories != NULL; directories++)
    list_directory (*directories, names);
  g_hash_table_iter_init (&iter, names);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (list, g_strdup (name));
  g_ptr_array_sort (list, compare);
  g_ptr_array_add (list, NULL);
  return (gchar **) g_ptr_array_free (g_steal_pointer (&list), FALSE);
}

ConfigOption *
worker_module_options (const WeirFilter *filter)
{
  static const ConfigOptionType types[] = {
    [WEIR_OPTION_STRING] = CONFIG_OPTION_STRING,
    [WEIR_OPTION_STRING_LIST] = CONFIG_OPTION_STRING_LIST,
    [WEIR_OPTION_INTEGER] = CONFIG_OPTION_INTEGER,
    [WEIR_OPTION_SIZE] = CONFIG_OPTION_SIZE,
    [WEIR_OPTION_DURATION] = CONFIG_OPTION_DURATION,
    [WEIR_OPTION_BOOLEAN] = CONFIG_OPTION_BOOLEAN,
    [WEIR_OPTION_CHOICE] = CONFIG_OPTION_CHOICE,
  };
  GArray *table = g_array_new (TRUE, TRUE, sizeof (ConfigOption));

  for (const WeirOption *from = filter->options; from != NULL && from->name != NULL; from++)
    {
      ConfigOption option = { .name = from->name,
                              .type = types[from->type],
                              .offset = from->offset,
                              .fallback = from->fallback,
                              .help = from->help,
                              .required = from->required,
                              .choices = from->choices,
                              .minimum = from->minimum,
                              .maximum = from->maximum };

      g_array_append_val (table, option);
    }
  return (ConfigOption *) (gpointer) g_array_free (table, FALSE);
}

guint32
worker_module_hooks (const WeirFilter *filter)
{
  const gboolean present[IPC_N_HOOKS] = {
    [IPC_HOOK_CONNECT] = filter->connect != NULL,
    [IPC_HOOK_HELO] = filter->helo != NULL,
    [IPC_HOOK_EHLO] = filter->ehlo != NULL,
    [IPC_HOOK_MAIL] = filter->mail != NULL,
    [IPC_HOOK_RCPT] = filter->rcpt != NULL,
    [IPC_HOOK_DATA] = filter->data != NULL,
    [IPC_HOOK_HEADER] = filter->header != NULL,
    [IPC_HOOK_END_OF_HEADERS] = filter->end_of_headers != NULL,
    [IPC_HOOK_BODY] = filter->body != NULL,
    [IPC_HOOK_END_OF_MESSAGE] = filter->end_of_message != NULL,
    [IPC_HOOK_RSET] = filter->rset != NULL,
    [IPC_HOOK_NOOP] = filter->noop != NULL,
    [IPC_HOOK_VRFY] = filter->vrfy != NULL,
    [IPC_HOOK_EXPN] = filter->expn != NULL,
    [IPC_HOOK_HELP] = filter->help != NULL,
    [IPC_HOOK_QUIT] = filter->quit != NULL,
    [IPC_HOOK_UNKNOWN] = filter->unknown != NULL,
    [IPC_HOOK_MESSAGE_OVER] = filter->message_over != NULL,
    [IPC_HOOK_SESSION_OVER] = filter->session_over != NULL,
    [IPC_HOOK_COMMAND] = filter->commands != NULL && filter->commands[0].verb != NULL,
  };
  guint32 bits = 0;

  for (guint hook = 0; hook < IPC_N_HOOKS; hook++)
    if (present[hook])
      bits |= IPC_HOOK_BIT (hook);
  return bits;
}
