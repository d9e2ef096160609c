/* ESMTP parameters of MAIL and RCPT. One table row a keyword: on which side it stands, which
 * extension must have been offered, what an upstream must offer to be sent it, and the syntax of
 * its value. A fault comes back as the refusal that names the parameter. */
#include "smtp/parameters.h"

#include <string.h>

typedef gboolean (*ValueCheck) (const gchar *value); /* NULL: the parameter has no "=value" */

typedef struct
{
  const gchar *keyword;
  SmtpParameterSide side;
  guint32 flag;     /* of SmtpCap: the extension that brings it */
  guint32 needs;    /* what an upstream must offer, besides what needs_of_value() adds */
  ValueCheck check; /* NULL: it takes no value */
} Parameter;

/* RFC 3461 section 4: xchar is "!" to "~" without "+" and "=", a hexchar "+" and two hexadecimal
 * digits in upper case. */
static gboolean
is_xtext (const gchar *text, gsize length)
{
  for (gsize i = 0; i < length; i++)
    {
      if (text[i] < '!' || text[i] > '~' || text[i] == '=')
        return FALSE;
      if (text[i] != '+')
        continue;
      if (length - i < 3 || !g_ascii_isxdigit (text[i + 1]) || !g_ascii_isxdigit (text[i + 2])
          || g_ascii_islower (text[i + 1]) || g_ascii_islower (text[i + 2]))
        return FALSE;
      i += 2;
    }
  return TRUE;
}

static gboolean
check_body (const gchar *value)
{
  return g_ascii_strcasecmp (value, "7BIT") == 0 || g_ascii_strcasecmp (value, "8BITMIME") == 0
         || g_ascii_strcasecmp (value, "BINARYMIME") == 0;
}

/* RFC 1870 section 5: one to twenty digits. */
static gboolean
check_size (const gchar *value)
{
  gsize length = strlen (value);

  return length >= 1 && length <= 20 && strspn (value, "0123456789") == length;
}

static gboolean
check_ret (const gchar *value)
{
  return g_ascii_strcasecmp (value, "FULL") == 0 || g_ascii_strcasecmp (value, "HDRS") == 0;
}

/* RFC 3461 section 4.4. */
static gboolean
check_envid (const gchar *value)
{
  gsize length = strlen (value);

  return length >= 1 && length <= 100 && is_xtext (value, length);
}

/* RFC 4954 section 5. */
static gboolean
check_auth (const gchar *value)
{
  gsize length = strlen (value);

  return g_str_equal (value, "<>") || (length >= 1 && length <= 500 && is_xtext (value, length));
}

/* RFC 3461 section 4.1: NEVER alone, or a list without NEVER. A condition that is named twice is
 * harmless. */
static gboolean
check_notify (const gchar *value)
{
  static const gchar *const conditions[] = { "SUCCESS", "FAILURE", "DELAY" };

  if (g_ascii_strcasecmp (value, "NEVER") == 0)
    return TRUE;
  while (TRUE)
    {
      gsize length = strcspn (value, ",");
      gboolean known = FALSE;
      for (guint i = 0; i < G_N_ELEMENTS (conditions); i++)
        known |= strlen (conditions[i]) == length
                 && g_ascii_strncasecmp (value, conditions[i], length) == 0;
      if (!known)
        return FALSE;
      if (value[length] == '\0')
        return TRUE;
      value += length + 1;
    }
}

/* RFC 3461 section 4.2: type ";" xtext, at most 500 octets; with the type "utf-8", octets over 127
 * too (RFC 6533 section 3). */
static gboolean
check_orcpt (const gchar *value)
{
  gsize type = strcspn (value, ";");
  const gchar *address = value + type + 1;

  if (strlen (value) > 500 || type == 0 || value[type] == '\0' || *address == '\0')
    return FALSE;
  for (gsize i = 0; i < type; i++)
    if (!g_ascii_isalnum (value[i]) && value[i] != '-')
      return FALSE;
  if (type != 5 || g_ascii_strncasecmp (value, "utf-8", 5) != 0)
    return is_xtext (address, strlen (address));
  for (const gchar *p = address; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p) || *p == ' ')
      return FALSE;
  return g_utf8_validate (address, -1, NULL);
}

static const Parameter table[] = {
  { "BODY", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_8BITMIME, 0, check_body },
  { "SIZE", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_SIZE, 0, check_size },
  { "SMTPUTF8", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_SMTPUTF8, SMTP_CAP_SMTPUTF8, NULL },
  { "RET", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_DSN, SMTP_CAP_DSN, check_ret },
  { "ENVID", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_DSN, SMTP_CAP_DSN, check_envid },
  { "AUTH", SMTP_PARAMETER_OF_MAIL, SMTP_CAP_AUTH, SMTP_CAP_AUTH, check_auth },
  { "NOTIFY", SMTP_PARAMETER_OF_RCPT, SMTP_CAP_DSN, SMTP_CAP_DSN, check_notify },
  { "ORCPT", SMTP_PARAMETER_OF_RCPT, SMTP_CAP_DSN, SMTP_CAP_DSN, check_orcpt },
};

static gboolean
is_ascii (const gchar *text)
{
  while (*text != '\0' && (guchar) *text < 0x80)
    text++;
  return *text == '\0';
}

static gboolean
same_keyword (const gchar *parameter, const gchar *keyword)
{
  gsize length = strcspn (parameter, "=");

  return strlen (keyword) == length && g_ascii_strncasecmp (parameter, keyword, length) == 0;
}

static const Parameter *
find (const gchar *parameter)
{
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (same_keyword (parameter, table[i].keyword))
      return &table[i];
  return NULL;
}

/* What BODY's value asks for beyond its keyword (RFC 6152, RFC 3030). */
static guint32
needs_of_body (const gchar *parameter)
{
  if (!same_keyword (parameter, "BODY"))
    return 0;
  if (g_ascii_strcasecmp (parameter + 4, "=8BITMIME") == 0)
    return SMTP_CAP_8BITMIME;
  return g_ascii_strcasecmp (parameter + 4, "=BINARYMIME") == 0 ? SMTP_CAP_BINARYMIME : 0;
}

guint32
smtp_parameter_needs (const gchar *parameter)
{
  const Parameter *row = find (parameter);
  guint32 needs = needs_of_body (parameter) | (is_ascii (parameter) ? 0 : SMTP_CAP_SMTPUTF8);

  return row == NULL ? needs : row->needs | needs;
}

guint32
smtp_parameters_needs (const BasePath *path)
{
  guint32 needs = is_ascii (path->address) ? 0 : SMTP_CAP_SMTPUTF8;

  for (gchar **parameter = path->parameters; parameter != NULL && *parameter != NULL; parameter++)
    needs |= smtp_parameter_needs (*parameter);
  return needs;
}

static BaseReply *
refuse (guint code, const gchar *why, const gchar *parameter)
{
  g_autofree gchar *quoted = smtp_quote (parameter, strlen (parameter));

  return base_reply_printf (code, 5, 5, 4, "%s: %s", why, quoted);
}

static gboolean
is_offered (const Parameter *row, const gchar *parameter, SmtpParameterSide side, guint32 flags)
{
  guint32 wanted = row->flag | (needs_of_body (parameter) & SMTP_CAP_BINARYMIME);

  return row->side == side && (flags & wanted) == wanted;
}

static gboolean
is_well_formed (const Parameter *row, const gchar *parameter)
{
  const gchar *equals = strchr (parameter, '=');

  return row->check == NULL ? equals == NULL : equals != NULL && row->check (equals + 1);
}

static BaseReply *
check_one (gchar **parameters, guint i, SmtpParameterSide side, guint32 flags, guint64 max_size)
{
  const gchar *parameter = parameters[i];
  const Parameter *row = find (parameter);

  if (row == NULL || !is_offered (row, parameter, side, flags))
    return refuse (555, "Unsupported parameter", parameter);
  if (!is_well_formed (row, parameter))
    return refuse (501, "Bad parameter value", parameter);
  if (!is_ascii (parameter) && (flags & SMTP_CAP_SMTPUTF8) == 0)
    return refuse (501, "Bad parameter value", parameter);
  for (guint j = 0; j < i; j++)
    if (same_keyword (parameters[j], row->keyword))
      return refuse (501, "Parameter given twice", parameter);
  if (row->flag == SMTP_CAP_SIZE && max_size > 0
      && g_ascii_strtoull (parameter + strlen ("SIZE="), NULL, 10) > max_size)
    return base_reply_new (552, 5, 3, 4, "Message size exceeds fixed limit");
  return NULL;
}

BaseReply *
smtp_parameters_check (const BasePath *path, SmtpParameterSide side, guint32 offered_flags,
                       guint64 max_size)
{
  BaseReply *refusal = NULL;

  if (path->parameters != NULL && g_strv_length (path->parameters) > SMTP_PARAMETERS_MAX)
    return base_reply_new (501, 5, 5, 4, "Too many parameters");
  for (guint i = 0; refusal == NULL && path->parameters != NULL && path->parameters[i] != NULL; i++)
    refusal = check_one (path->parameters, i, side, offered_flags, max_size);
  return refusal;
}

/* RFC 5321 section 4.1.2: esmtp-keyword ["=" esmtp-value], the value not empty. */
static gboolean
has_syntax (const gchar *text, gsize length, gsize *keyword)
{
  gsize i = 0;

  while (i < length && (g_ascii_isalnum (text[i]) || (i > 0 && text[i] == '-')))
    i++;
  *keyword = i;
  if (i == 0 || i == length)
    return i > 0;
  if (text[i] != '=' || i + 1 == length)
    return FALSE;
  for (i++; i < length; i++)
    if ((guchar) text[i] <= ' ' || text[i] == 0x7f)
      return FALSE;
  return TRUE;
}

static BaseReply *
add_parameter (GPtrArray *found, const gchar *text, gsize length)
{
  g_autofree gchar *quoted = smtp_quote (text, length);
  gsize keyword;

  if (found->len == SMTP_PARAMETERS_MAX)
    return base_reply_new (501, 5, 5, 4, "Too many parameters");
  if (length > SMTP_PARAMETER_MAX_LENGTH)
    return base_reply_printf (501, 5, 5, 4, "Parameter too long: %s", quoted);
  if (!has_syntax (text, length, &keyword))
    return base_reply_printf (501, 5, 5, 4, "Bad parameter syntax: %s", quoted);
  gchar *copy = g_strndup (text, length);
  for (gsize i = 0; i < keyword; i++)
    copy[i] = g_ascii_toupper (copy[i]);
  g_ptr_array_add (found, copy);
  return NULL;
}

gboolean
smtp_parameters_parse (const gchar *text, gsize length, gchar ***parameters, BaseReply **refusal)
{
  g_autoptr (GPtrArray) found = NULL;
  const gchar *end = text + length;

  *parameters = NULL;
  *refusal = NULL;
  while (text < end)
    {
      const gchar *space = memchr (text, ' ', (gsize) (end - text));
      gsize word = (gsize) ((space == NULL ? end : space) - text);
      if (found == NULL)
        found = g_ptr_array_new_with_free_func (g_free);
      if (word > 0)
        *refusal = add_parameter (found, text, word);
      if (*refusal != NULL)
        return FALSE;
      text += word + (space != NULL);
    }
  if (found == NULL || found->len == 0)
    return TRUE;
  g_ptr_array_add (found, NULL);
  *parameters = (gchar **) g_ptr_array_free (g_steal_pointer (&found), FALSE);
  return TRUE;
}

gchar *
smtp_quote (const gchar *text, gsize length)
{
  gboolean cut = length > 64;
  gsize end = cut ? 61 : length;

  /* Not in the middle of a character. */
  while (cut && end > 0 && ((guchar) text[end] & 0xc0) == 0x80)
    end--;
  g_autofree gchar *copy = g_strndup (text, end);
  g_autofree gchar *valid = g_utf8_make_valid (copy, -1);
  for (gchar *p = valid; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return g_strconcat (valid, cut ? "..." : "", NULL);
}
