/* Fuzzes the configuration: octets as a bundle of sources, then as text from the grammar to the
 * last check. Nothing is read from the file system: sources from a bundle can not reach it. */
#include "config/config.h"

#include <stdint.h>

gint LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A bundle whose one file "c" holds the octets; an `include "c"` in it finds only itself. */
static GBytes *
wrap (const uint8_t *data, size_t size)
{
  const guint32 lengths[2] = { GUINT32_TO_LE (1), GUINT32_TO_LE ((guint32) size) };
  GByteArray *bundle = g_byte_array_new ();

  g_byte_array_append (bundle, (const guint8 *) "MWSOURCE", 8);
  g_byte_array_append (bundle, (const guint8 *) lengths, sizeof lengths);
  g_byte_array_append (bundle, (const guint8 *) "c", 1);
  if (size > 0)
    g_byte_array_append (bundle, data, (guint) size);
  return g_byte_array_free_to_bytes (bundle);
}

/* Either a configuration or errors, never both. */
static void
load (GBytes *bundle)
{
  g_autoptr (ConfigSources) sources = config_sources_new_bundle (bundle, NULL);
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = NULL;
  g_autofree gchar *text = NULL;

  if (sources == NULL)
    return;
  config = config_load (sources, "c", errors);
  g_assert ((config == NULL) == (config_errors_count (errors) > 0));
  text = config_errors_to_string (errors);
  g_assert (g_utf8_validate (text, -1, NULL));
}

gint
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GBytes) whole = g_bytes_new (data, size);
  g_autoptr (GBytes) wrapped = NULL;

  if (size > 64 * 1024)
    return 0;
  load (whole);
  wrapped = wrap (data, size);
  load (wrapped);
  return 0;
}
