using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Users;

/// <summary>What the link layer proves by itself: hostapd, with a handshake and keys of its own.</summary>
internal sealed partial class UserSide
{
    /// <summary>Whether a client's link proves that the client is its session's user. That a link is up is enough where it is trusted; else it must be known whose key it has proved.</summary>
    private bool IsProvedByLink(UserClient client)
    {
        if (!_config.AskLink)
        {
            return _config.TrustLink && _host.IsAssociated(client.Mac);
        }

        var user = client.Session?.User;
        var linkUser = _host.LinkUserOf(client.Mac);
        if (user is null || linkUser is null)
        {
            return false;
        }

        if (string.Equals(user, linkUser, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        _host.Report(new LinkOfAnother(client.Mac, user, linkUser));
        return false;
    }

    /// <summary>Another session has taken the place of the one that the link had proved: it must have proved that one, too.</summary>
    private void StayProvedByLink(UserClient client)
    {
        if (_config.AskLink && client.Proof == SessionProof.Link && !IsProvedByLink(client))
        {
            ShutOut(client, "link of another user", Ending.Link);
        }
    }

    /// <summary>A link that proves itself would go on, and be proved again, whatever has become of the session.</summary>
    private void EndLink(MacAddress client, string reason)
    {
        if (_config.AskLink && _host.IsAssociated(client))
        {
            _host.Report(new LinkUnwanted(client, reason));
        }
    }
}
