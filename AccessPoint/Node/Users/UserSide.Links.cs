using Masquerade.Auth.Authenticator;
using Masquerade.Auth.Eapol;
using Masquerade.Auth.Handshake;
using Masquerade.Auth.Keys;
using Masquerade.Auth.Protection;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint.Users;

/// <summary>The handshake by which a client proves the session's key here, and the protection of its link (decisions 30, 31 and 37).</summary>
internal sealed partial class UserSide
{
    /// <summary>After this long new keys are tried again that a client did not answer for; until then it uses those that it has.</summary>
    private static readonly TimeSpan s_newKeysAgain = TimeSpan.FromMinutes(1);

    /// <summary>For this long a client that has not answered is not taken at its word if it asks for a handshake again.</summary>
    private static readonly TimeSpan s_requestAgain = TimeSpan.FromMinutes(1);

    /// <summary>Links are looked at this often at least.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(1);

    /// <summary>Beyond so many clients that nobody knows, a Start does not wait for what the coordinator knows of its sender.</summary>
    private const int MaxWaitingStarts = 256;

    /// <summary>What a client says that wants to authenticate.</summary>
    private static readonly byte[] s_start = [EapolFrame.DefaultVersion, (byte)EapolType.Start, 0, 0];

    private readonly byte[] _keyFrame = new byte[HandshakeFrame.MaxLength];
    private readonly List<UserClient> _protected = [];
    private readonly PriorityQueue<(UserClient Client, Instant At), Instant> _linkDeadlines = new();

    /// <summary>What this access point is called.</summary>
    public required NodeId Node { get; init; }

    /// <summary>What clients know it by.</summary>
    public required MacAddress Gateway { get; init; }

    /// <summary>Where nonces come from.</summary>
    public FillRandom? Random { get; init; }

    /// <summary>What has become of handshakes and protected frames.</summary>
    public LinkCounters Links { get; } = new();

    /// <summary>Clients whose links are protected now.</summary>
    public IReadOnlyList<UserClient> Protected => _protected;

    /// <summary>Whether anybody is let in whose link is not protected. Links may be protected of clients that are not let in: they wait for what their users may do.</summary>
    public bool HasAdmittedInTheClear
    {
        get
        {
            var inTheClear = AdmittedCount;
            for (var i = 0; i < _protected.Count; i++)
            {
                inTheClear -= _protected[i].IsAdmitted ? 1 : 0;
            }

            return inTheClear > 0;
        }
    }

    /// <summary>The client, if what goes to it must be protected.</summary>
    public UserClient? LinkTo(MacAddress mac) => _protected.Count > 0 && _clients.Find(mac) is { Link.IsUp: true } client ? client : null;

    /// <summary>Protects a frame for a client. False: it must not be sent; that is counted.</summary>
    public bool TryProtect(UserClient to, ReadOnlySpan<byte> frame, Span<byte> output, out int length)
    {
        length = 0;
        if (to.Link is not { } link)
        {
            _drops.Count(Links.Count(ProtectionDrop.NoKey));
            return false;
        }

        var result = link.Protect(frame, output, out length);
        if (result == ProtectionDrop.None && !link.WantsNewKeys)
        {
            return true;
        }

        Renew(to, link);
        if (result != ProtectionDrop.None)
        {
            _drops.Count(Links.Count(result));
        }

        return result == ProtectionDrop.None;
    }

    /// <summary>Takes the protection off a frame of a client. False: it goes no further, and it is found out who the client is if that is not known.</summary>
    /// <param name="mac">Its source.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="output">As long as the frame.</param>
    /// <param name="now">The time.</param>
    /// <param name="length">Octets of what was protected.</param>
    public bool TryUnprotect(MacAddress mac, ReadOnlySpan<byte> frame, Span<byte> output, Instant now, out int length)
    {
        _now = now;
        length = 0;
        var client = _clients.Find(mac);
        if (client?.Link is not { HasKey: true } link)
        {
            // It may have keys of its stay elsewhere, or of the time before this access point forgot everything.
            _drops.Count(client is { IsAdmitted: true } ? Links.Count(ProtectionDrop.NoKey) : DropReason.NotAuthenticated);
            if (client is not { IsAdmitted: true })
            {
                FindOut(client, mac);
            }

            return false;
        }

        var result = link.Validate(frame, output, now, out length);
        if (result != ProtectionDrop.None)
        {
            _drops.Count(Links.Count(result));
            return false;
        }

        if (link.WantsNewKeys)
        {
            Renew(client, link);
        }

        WatchLink(client);
        if (!client.IsAdmitted)
        {
            _drops.Count(DropReason.NotAuthenticated);
            FindOut(client, mac);
            return false;
        }

        client.LastHeard = now;
        client.OctetsFrom += (ulong)length;
        client.PacketsFrom++;
        return true;
    }

    /// <summary>Whether a session may be used without protection, by a proof that only this access point has seen.</summary>
    private bool MayBeUnprotected(UserSession session) => _config.Protection != LinkProtection.Required && !session.IsProtected;

    /// <summary>Whether a client should prove a session by the handshake before it is asked to authenticate.</summary>
    private bool ShouldShakeHands(UserSession session) => _config.Protection != LinkProtection.Off && !MayBeUnprotected(session);

    /// <summary>Whether a client may have an ordinary supplicant that did not ask for the handshake that is under way with it.</summary>
    private bool IsUnasked(UserClient client, ProtectedLink link) => link is { IsUp: false, IsAnswered: false } && client.Session is { } session && MayBeUnprotected(session);

    /// <summary>Sends message 1, unless a handshake is under way; false if there is no key for one.</summary>
    private bool StartHandshake(UserClient client)
    {
        if (_config.Protection == LinkProtection.Off || client.Session is not { } session)
        {
            return false;
        }

        client.Link ??= ProtectedLink.TryMake(session, client.Mac, _config, Node, Gateway, Random!);
        if (client.Link is not { } link)
        {
            return false;
        }

        var length = link.Start(_now, _keyFrame);
        if (length > 0)
        {
            Links.Begun++;
            _host.SendEapol(client.Mac, _keyFrame.AsSpan(0, length));
        }

        WatchLink(client);
        return true;
    }

    /// <summary>New keys are due; not again and again if the client does not answer.</summary>
    private void Renew(UserClient client, ProtectedLink link)
    {
        if (!link.IsUnderWay && _now >= client.NewKeysAt)
        {
            client.NewKeysAt = _now + s_newKeysAgain;
            StartHandshake(client);
        }
    }

    private void OnKeyFrame(MacAddress mac, ReadOnlySpan<byte> frame)
    {
        var client = _clients.Find(mac);
        if (client?.Link is not { } link)
        {
            // A client that has just authenticated may ask for a protected link. Anybody can say so in its name, so nothing is kept of it but a handshake that ends by itself, and not soon another.
            if (client is null || _now < client.RequestsAt || !HasAuthenticated(client) || !HandshakeRequest.Is(frame) || !StartHandshake(client))
            {
                Links.Unexpected++;
                if (_config.Authenticator == UserAuthenticator.Link && client is null or { IsAdmitted: false, Session: null } && HandshakeRequest.Is(frame))
                {
                    // It may have authenticated to the link layer, and says nothing else before its link is protected; it asks again.
                    FindOut(client, mac);
                }
            }

            return;
        }

        var isFirst = !link.IsProven;
        var length = link.Receive(frame, _now, _keyFrame, out var drop, out var hasNewKeys);
        if (drop != HandshakeDrop.None)
        {
            Links.Count(drop);
        }

        if (length > 0)
        {
            _host.SendEapol(mac, _keyFrame.AsSpan(0, length));
        }

        if (hasNewKeys)
        {
            OnProven(client, isFirst);
        }
        else if (drop == HandshakeDrop.Contradiction)
        {
            OnHandshakeFailed(client, link);
        }

        WatchLink(client);
    }

    /// <summary>The client has proved the session's key, and both sides have keys for the link.</summary>
    private void OnProven(UserClient client, bool isFirst)
    {
        Links.Proven++;
        client.Insists = false;
        client.WasProtected = true;
        client.NewKeysAt = client.RequestsAt = Instant.Zero;
        if (client.Session is not { } session)
        {
            return;
        }

        client.Session = session with { IsProtected = true };
        if (!_protected.Contains(client))
        {
            _protected.Add(client);
            _host.SetLinkOverhead(client.Mac, client.Link!.Overhead);
            _host.Report(new LinkProtected(client.Mac, session.User));
        }

        if (isFirst || client.Proof != SessionProof.Handshake)
        {
            Admit(client, SessionProof.Handshake);
        }
    }

    private void OnHandshakeFailed(UserClient client, ProtectedLink link)
    {
        var isUnanswered = link.Failure == HandshakeFailure.Timeout;
        Links.Unanswered += isUnanswered ? 1 : 0;
        Links.Failed += isUnanswered ? 0 : 1;
        if (isUnanswered && link is { IsUp: true, IsProven: true })
        {
            // The keys that there are protect the link as well as before. A client that has lost them says who it is anew.
            client.NewKeysAt = _now + s_newKeysAgain;
            if (client.Insists)
            {
                AskWhoItIs(client);
            }

            return;
        }

        var mayGoOn = isUnanswered && IsUnasked(client, link);
        var insists = client.Insists;
        DropLink(client);
        if (mayGoOn && client.IsAdmitted)
        {
            // It has an ordinary supplicant: whoever asked, it was not this one.
            client.RequestsAt = _now + s_requestAgain;
            return;
        }

        _host.Report(new HandshakeFailed(client.Mac, client.Session?.User ?? string.Empty, link.Failure));
        ShutOut(client, "handshake failed", Ending.Link);
        client.Proved = SessionProof.None;
        client.Insists = insists;
        AskWhoItIs(client);
    }

    /// <summary>Begins EAP: because the client has said Start, or because it was seen.</summary>
    private void AskWhoItIs(UserClient client)
    {
        if (_config.Authenticator == UserAuthenticator.Link)
        {
            client.Insists = false;
        }
        else if (client.Insists)
        {
            client.Insists = false;
            _authenticator.OnEapol(client.Mac, s_start, _now);
        }
        else
        {
            _authenticator.Begin(client.Mac, _now);
        }
    }

    /// <summary>
    /// A Start of a client that has a key here, or may have: it is answered by a handshake, which costs two round trips and which a forged Start cannot harm. Who insists, because it has lost its
    /// key, is asked to authenticate. Whom nobody knows here the coordinator may know.
    /// </summary>
    private bool TakesStart(MacAddress mac)
    {
        if (_config.Protection == LinkProtection.Off)
        {
            return false;
        }

        var client = _clients.Find(mac);
        if (client?.Link is { } link)
        {
            if (link.IsUnderWay && IsUnasked(client, link))
            {
                // Anybody can have asked for the handshake in the name of an ordinary client: that keeps no word of the client's waiting.
                return false;
            }

            if (link.IsUnderWay)
            {
                client.Insists = client.IsAdmitted;
                return client.IsAdmitted;
            }

            if (link.IsUp)
            {
                client.Insists = true;
                return StartHandshake(client);
            }
        }

        if (client is null or { IsAdmitted: false, Session: null } && _clients.Count - _clients.AdmittedCount < MaxWaitingStarts && _authenticator.Find(mac) is null)
        {
            FindOut(client, mac);
        }

        if (_clients.Find(mac) is { IsAdmitted: false, IsAsked: true } asked && _authenticator.Find(mac) is null)
        {
            asked.Insists = true;
            return true;
        }

        return false;
    }

    /// <summary>The keys of a client are zeroed; what is protected under them is nobody's any more.</summary>
    private void DropLink(UserClient client)
    {
        if (client.Link is not { } link)
        {
            return;
        }

        if (_protected.Remove(client))
        {
            _host.SetLinkOverhead(client.Mac, 0);
        }

        client.Link = null;
        client.LinkAt = Instant.Never;
        client.Insists = false;
        link.Dispose();
    }

    private void WatchLink(UserClient client)
    {
        if (client.Link is { } link && link.NextDeadline is var at && at < client.LinkAt)
        {
            // Not far ahead: what is in the list stays there until it is due, whatever has become of the client.
            at = Instant.Min(at, _now + s_longestWait);
            if (at >= client.LinkAt)
            {
                return;
            }

            client.LinkAt = at;
            _linkDeadlines.Enqueue((client, at), at);
        }
    }

    private void AdvanceLinks()
    {
        while (_linkDeadlines.TryPeek(out var next, out var due) && due <= _now)
        {
            _linkDeadlines.Dequeue();
            if (next.Client.LinkAt != next.At || next.Client.Link is not { } link)
            {
                continue;
            }

            next.Client.LinkAt = Instant.Never;
            var wasUnderWay = link.IsUnderWay;
            var length = link.Advance(_now, _keyFrame, out var hasFailed);
            if (length > 0)
            {
                Links.Begun += wasUnderWay ? 0 : 1;
                _host.SendEapol(next.Client.Mac, _keyFrame.AsSpan(0, length));
            }

            if (hasFailed)
            {
                OnHandshakeFailed(next.Client, link);
            }

            WatchLink(next.Client);
        }
    }
}
