/* Every numeric option at both ends of its range and one past each; how many blocks there may be;
 * how large a bundle. */
#include "support.h"

#include <string.h>

/* What a section needs besides the option in question. */
typedef struct
{
  const gchar *section, *head, *needs;
} Frame;

static const Frame frames[] = {
  { "", "", "" },
  { "listener", "listener \"x\" {\n", "bind = \"127.0.0.1:2\" routes = \"r\"" },
  { "route", "route \"x\" {\n", "to = \"discard:\"" },
  { "filter", "filter \"x\" {\n", "module = \"m\"" },
  { "tls", "tls {\n", "certificate = \"c\"" },
  { "limits", "limits {\n", "" },
};

static gchar *
frame_text (const Frame *frame, const ConfigOption *row, gint64 number)
{
  const gchar *unit = row->type == CONFIG_OPTION_DURATION ? "ms" : "";

  return g_strdup_printf ("%s%s = %" G_GINT64_FORMAT "%s\n%s\n%s\n"
                          "listener \"l\" { bind = [\"127.0.0.1:1\"] routes = [\"r\"] }\n"
                          "route \"r\" { to = [\"discard:\"] }\n",
                          frame->head, row->name, number, unit, frame->needs,
                          *frame->head != '\0' ? "}" : "");
}

/* Whether the number is refused at the value's place as out of range. Other complaints, such as a
 * timeout beyond the deadline, are not the range's. */
static gboolean
is_out_of_range (const Frame *frame, const ConfigOption *row, gint64 number)
{
  g_autofree gchar *text = frame_text (frame, row, number);
  g_autofree gchar *errors = errors_of (text);
  g_autofree gchar *start = g_strdup_printf ("c:%u:%u: option \"%s\": ", *frame->head ? 2 : 1,
                                             (guint) strlen (row->name) + 4, row->name);

  g_assert_null (strstr (errors, "expected"));
  return g_str_has_prefix (errors, start) && strstr (errors, "is out of range") != NULL;
}

static void
check_row (const Frame *frame, const ConfigOption *row)
{
  g_assert_cmpint (row->maximum, >, row->minimum);
  g_assert_false (is_out_of_range (frame, row, row->maximum));
  g_assert_true (is_out_of_range (frame, row, row->maximum + 1));
  g_assert_false (is_out_of_range (frame, row, row->minimum));
  if (row->minimum > 0)
    g_assert_true (is_out_of_range (frame, row, row->minimum - 1));
}

static void
test_ranges (gconstpointer data)
{
  const Frame *frame = data;

  for (const ConfigOption *row = config_section_options (frame->section); row->name != NULL; row++)
    if (row->type == CONFIG_OPTION_INTEGER || row->type == CONFIG_OPTION_SIZE
        || row->type == CONFIG_OPTION_DURATION)
      check_row (frame, row);
}

/* `count` filters, the last of which stands alone on its line. */
static gchar *
many_filters (guint count)
{
  GString *text = g_string_new ("listener \"l\" { bind = [\"127.0.0.1:1\"] routes = [\"r\"] }\n"
                                "route \"r\" { to = [\"discard:\"] }\n");

  for (guint i = 0; i < count; i++)
    g_string_append_printf (text, "filter \"f%u\" { module = \"m\" }\n", i);
  return g_string_free (text, FALSE);
}

static void
test_sections (void)
{
  g_autofree gchar *fits = many_filters (1000);
  g_autofree gchar *too_many = many_filters (1002);
  g_autofree gchar *none = errors_of (fits);
  g_autofree gchar *one = errors_of (too_many);

  g_assert_cmpstr (none, ==, "");
  g_assert_cmpstr (one, ==, "c:1003:1: more than 1000 blocks \"filter\"\n");
}

static void
test_bundle (void)
{
  const gsize head = 8 + 8 + 1;
  const gsize sizes[] = { CONFIG_MAX_BUNDLE, CONFIG_MAX_BUNDLE + 1 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      guint8 *octets = g_malloc0 (sizes[i]);
      g_autoptr (GBytes) bundle = g_bytes_new_take (octets, sizes[i]);
      g_autoptr (ConfigSources) sources = NULL;
      guint32 lengths[2] = { GUINT32_TO_LE (1), GUINT32_TO_LE ((guint32) (sizes[i] - head)) };

      memcpy (octets, "MWSOURCE", 8);
      memcpy (octets + 8, lengths, sizeof lengths);
      octets[16] = 'c';
      sources = config_sources_new_bundle (bundle, NULL);
      g_assert_true ((sources != NULL) == (i == 0));
    }
}

gint
main (gint argc, gchar **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      g_autofree gchar *path = g_strdup_printf (
          "/config/range/%s", *frames[i].section == '\0' ? "global" : frames[i].section);

      g_test_add_data_func (path, &frames[i], test_ranges);
    }
  g_test_add_func ("/config/limit/sections", test_sections);
  g_test_add_func ("/config/limit/bundle", test_bundle);
  return g_test_run ();
}
