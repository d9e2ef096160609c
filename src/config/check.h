/* The later steps of config_load(), each on what the one before has left. Private to the folder.
 * All report by place and go on, so that every mistake is named at once. */
#pragma once

#include "config/config.h"

/* Binds blocks to structs: fills the arrays and the members that options name. */
void bind_sections (Config *config, ConfigErrors *errors);
/* The reverse: frees what an array holds. */
void bind_clear (Config *config);

/* Parses one destination of a route. FALSE: reported. */
gboolean destination_parse (const gchar *text, const ConfigPlace *place,
                            ConfigDestination *destination, ConfigErrors *errors);
void destination_clear (ConfigDestination *destination);

/* Parses destinations, endpoints and networks, and turns names of filters and routes into pointers.
 */
void link_sections (Config *config, ConfigErrors *errors);

/* What each section says well and all of them together do not mean. */
void check_sections (Config *config, ConfigErrors *errors);
