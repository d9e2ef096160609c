/* A reverse-path or forward-path with the ESMTP parameters that MAIL or RCPT gave it (RFC 5321
 * section 4.1.2). */
#pragma once

#include <glib.h>

/* What it points to stands in its own block, and is not changed. */
typedef struct
{
  gchar *address;     /* without brackets; "" is the null reverse-path */
  gchar **parameters; /* "KEYWORD" or "KEYWORD=value", keyword in upper case, in the client's order;
                         NULL: none */
} BasePath;

BasePath *base_path_new (const gchar *address, const gchar *const *parameters);
/* Of `length` octets, without a NUL behind them. */
BasePath *base_path_new_length (const gchar *address, gsize length, const gchar *const *parameters);
BasePath *base_path_copy (const BasePath *path);
void base_path_free (BasePath *path); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BasePath, base_path_free)
gboolean base_path_equal (const BasePath *a, const BasePath *b);

/* The value of a parameter, "" when it has none; NULL when it is not there. `keyword` in upper
 * case. */
const gchar *base_path_parameter (const BasePath *path, const gchar *keyword);
