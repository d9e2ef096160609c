/* The values of macros, as far as filter.h can tell them. */
#pragma once

#include "link.h"

/* Those of the session and the message; what is made for it is kept in link->strings. */
void values_fill (Link *link);
/* Those of one recipient. */
void values_set_recipient (Link *link, const char *recipient);
