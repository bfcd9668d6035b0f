using Masquerade.Core.Flow;

namespace Masquerade.Auth.Radius;

/// <summary>Which session a server means (RFC 5176 section 3): all that is given must be so of it.</summary>
/// <param name="User">User-Name; null: not given.</param>
/// <param name="Client">Calling-Station-Id; null: not given.</param>
/// <param name="AccountingSession">Acct-Session-Id or Acct-Multi-Session-Id; null: not given.</param>
/// <param name="ChargeableUser">Chargeable-User-Identity; null: not given.</param>
public sealed record SessionSelector(string? User, MacAddress? Client, string? AccountingSession, byte[]? ChargeableUser);
