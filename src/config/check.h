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

/* Parses the conditions of a filter's `only-if`. */
void link_filter (ConfigFilter *filter, ConfigErrors *errors);
/* What a route says about our own login there. */
void check_login (const ConfigRoute *route, ConfigErrors *errors);

/* Puts filters that the listener's own blocks change into their originals' places. */
void override_filters (Config *config, ConfigListener *listener, ConfigErrors *errors);
void override_clear (ConfigFilter *filter);

/* What each section says well and all of them together do not mean. */
void check_sections (Config *config, ConfigErrors *errors);
