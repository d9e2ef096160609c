/* What the tests of the configuration share: text in memory to a Config, and its errors. */
#pragma once

#include "config/config.h"

/* Loads `text` under the name "c". `errors` may be NULL; a failure is then the caller's to see. */
static inline Config *
load_text (const gchar *text, ConfigErrors *errors)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) own = config_errors_new ();

  config_sources_add (sources, "c", text);
  return config_load (sources, "c", errors != NULL ? errors : own);
}

/* The errors of `text`, one a line. Caller frees. */
static inline gchar *
errors_of (const gchar *text)
{
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (Config) config = load_text (text, errors);

  g_assert_true ((config == NULL) == (config_errors_count (errors) > 0));
  return config_errors_to_string (errors);
}

/* The errors of grammar alone. Caller frees. */
static inline gchar *
grammar_errors_of (const gchar *text)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  g_autoptr (ConfigBlock) root = NULL;

  config_sources_add (sources, "c", text);
  root = config_tree_parse (sources, "c", errors);
  g_assert_nonnull (root);
  return config_errors_to_string (errors);
}
