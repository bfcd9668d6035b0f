using System.Globalization;
using System.Security.Cryptography;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Keys;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.RoamingCoordinator.Server.Users;

/// <summary>Keys for fast transitions (decision 43): each access point is given its own PMK-R1 of a client, and no other's.</summary>
internal sealed partial class UserDirectory
{
    private const int MaxVlan = 4_094;

    public RoamingKeyReply RoamingKeyFor(MacAddress client, UserRecord user, NodeId node, RoamingKeyQuery asked, long unixMilliseconds)
    {
        var reply = new RoamingKeyReply { Id = asked.Id, Client = client, Outcome = RoamingKeyOutcome.Unknown };
        if (_settings.Proxy?.Radios.GetValueOrDefault(asked.Holder) is not { IsNone: false } owner || owner != node)
        {
            _log("warning", $"{node} asks for the key of {client} for the radio {asked.Holder}, which users.proxy does not say is its own");
            return reply with { Outcome = RoamingKeyOutcome.Refused };
        }

        if (Resolve(user, []) is not { IsRefused: false } || !SealedPmkR0.IsNamed(user.SealedRoamingKey.Span, asked.Name.Span)
            || !_siteKeys.TryOpenRoaming(user.SealedRoamingKey.Span, SessionId.FromBytes(user.Session.Span), client, out var key))
        {
            return reply;
        }

        Span<byte> bytes = stackalloc byte[PmkR1.Length];
        using (key)
        using (var own = key.DeriveFor(asked.Holder))
        {
            own.CopyTo(bytes);
        }

        reply = reply with
        {
            Outcome = RoamingKeyOutcome.Given,
            Key = new Octets(bytes),
            Cipher = key.Cipher,
            SecondsLeft = SecondsLeft(user, unixMilliseconds),
            Vlan = uint.TryParse(user.Segment, NumberStyles.None, CultureInfo.InvariantCulture, out var vlan) && vlan is >= 1 and <= MaxVlan ? vlan : 0,
            User = user.User,
        };
        CryptographicOperations.ZeroMemory(bytes);
        return reply;
    }

    private static uint SecondsLeft(UserRecord user, long unixMilliseconds) => user.Ends == 0 ? 0 : (uint)Math.Clamp((user.Ends - unixMilliseconds + 999) / 1_000, 1, uint.MaxValue);

    private Octets Seal(PmkR0 key)
    {
        Span<byte> sealedKey = stackalloc byte[SealedPmkR0.Length];
        _siteKeys.Seal(key, RandomNumberGenerator.Fill, sealedKey);
        return new Octets(sealedKey);
    }
}
