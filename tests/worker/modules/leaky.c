/* Leaves a descriptor or a thread behind in load, or refuses to load, as its option says. */
#include <string.h>
#include <unistd.h>

#include <mailweir/filter.h>

typedef struct
{
  const char *what;
} Settings;

static const WeirOption options[] = {
  { "what", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Settings, what), NULL, "what to leave" },
  { NULL },
};

static gpointer
sleep_long (gpointer data)
{
  g_usleep (G_USEC_PER_SEC);
  return NULL;
}

static gboolean
load (WeirLoad *place, gpointer config, GError **error)
{
  const Settings *settings = config;

  if (g_strcmp0 (settings->what, "descriptor") == 0)
    return dup (0) >= 0;
  if (g_strcmp0 (settings->what, "thread") == 0)
    g_thread_unref (g_thread_new ("left", sleep_long, NULL));
  if (g_strcmp0 (settings->what, "error") == 0)
    weir_load_error (place, error, "what", "%s does not like it", weir_load_name (place));
  return g_strcmp0 (settings->what, "error") != 0;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER, .name = "leaky", .summary = "leaks", .config_size = sizeof (Settings),
  .options = options, .load = load,
};
