/* The environment of a program: nothing of ours, but PATH, LANG and what is known about the
 * message. Values come from strangers: control characters become '_', and so does a parenthesis at
 * the beginning, which old shells took for a function. No value is ever read as anything but a
 * value. */
#include "environment.h"

#include <string.h>

#define PREFIX "MAILWEIR_"

static void
add (GPtrArray *list, const char *name, const char *value)
{
  gsize start = sizeof PREFIX - 1 + strlen (name) + 1;
  char *entry = NULL;

  if (value == NULL)
    return;
  entry = g_strconcat (PREFIX, name, "=", value, NULL);
  for (char *at = entry + start; *at != '\0'; at++)
    if ((guchar) *at < ' ' || *at == 127)
      *at = '_';
  if (entry[start] == '(')
    entry[start] = '_';
  g_ptr_array_add (list, entry);
}

static void
add_number (GPtrArray *list, const char *name, guint64 number)
{
  char digits[24];

  g_snprintf (digits, sizeof digits, "%" G_GUINT64_FORMAT, number);
  add (list, name, digits);
}

/* "SIZE=1 BODY=8BITMIME"; there is none in a parameter that is white space (RFC 5321
 * section 4.1.2). */
static void
add_parameters (GPtrArray *list, const char *name, const char *const *parameters)
{
  g_autofree char *text = NULL;

  if (parameters == NULL || *parameters == NULL)
    return;
  text = g_strjoinv (" ", (char **) parameters);
  add (list, name, text);
}

static void
add_recipients (GPtrArray *list, WeirContext *context)
{
  guint count = weir_recipient_count (context);

  add_number (list, "RECIPIENTS", count);
  for (guint i = 0; i < count; i++)
    {
      char name[48];

      g_snprintf (name, sizeof name, "RECIPIENT_%u", i + 1);
      add (list, name, weir_recipient (context, i));
      g_strlcat (name, "_PARAMETERS", sizeof name);
      add_parameters (list, name, weir_recipient_parameters (context, i));
    }
}

GPtrArray *
environment_new (WeirContext *context, const char *const *more)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  g_ptr_array_add (list,
                   g_strdup ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
  g_ptr_array_add (list, g_strdup ("LANG=C"));
  add (list, "FILTER", weir_filter_name (context));
  add (list, "LISTENER", weir_listener (context));
  add (list, "HOSTNAME", weir_hostname (context));
  add (list, "SESSION", weir_session_id (context));
  add (list, "MESSAGE", weir_message_id (context));
  add (list, "CLIENT_ADDRESS", weir_client_address (context));
  add_number (list, "CLIENT_PORT", weir_client_port (context));
  add (list, "CLIENT_NAME", weir_client_name (context));
  add (list, "HELO", weir_helo (context));
  add (list, "USER", weir_user (context));
  add (list, "USER_MECHANISM", weir_user_mechanism (context));
  add (list, "TLS_PROTOCOL", weir_tls_protocol (context));
  add (list, "TLS_CIPHER", weir_tls_cipher (context));
  add (list, "SENDER", weir_sender (context));
  add_parameters (list, "SENDER_PARAMETERS", weir_sender_parameters (context));
  add_number (list, "SIZE", weir_message_size (context));
  add_recipients (list, context);
  for (; *more != NULL; more++)
    g_ptr_array_add (list, g_strdup (*more));
  g_ptr_array_add (list, NULL);
  return list;
}

gboolean
environment_check (const char *entry)
{
  if (!g_ascii_isalpha (*entry) && *entry != '_')
    return FALSE;
  for (const char *at = entry; *at != '\0'; at++)
    if ((guchar) *at < ' ' || *at == 127)
      return FALSE;
  return strchr (entry, '=') != NULL && !g_str_has_prefix (entry, PREFIX)
         && strspn (entry, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
                == (gsize) (strchr (entry, '=') - entry);
}
