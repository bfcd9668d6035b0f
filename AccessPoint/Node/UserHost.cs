using System.Buffers.Binary;
using Masquerade.AccessPoint.Link;
using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Diagnostics;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;
using Masquerade.Fam;

namespace Masquerade.AccessPoint;

/// <summary>Where users are asked for, the node lets nothing of a client pass, either way, that <see cref="UserSide"/> does not admit.</summary>
public sealed partial class AccessPointNode
{
    private readonly UserSide? _users;
    private readonly byte[] _unprotected = [];

    /// <summary>Clients that are let in; -1: nobody is asked who he is.</summary>
    public int AdmittedClients => _users?.AdmittedCount ?? -1;

    /// <summary>Clients that are let in or being asked about.</summary>
    public int UserClients => _users?.Count ?? 0;

    /// <summary>Whether a frame for this address would be sent.</summary>
    internal bool AdmitsTo(MacAddress client) => _users?.AdmitsTo(client, 0) ?? true;

    /// <summary>What has become of handshakes and protected frames; null: nobody is asked who he is.</summary>
    public LinkCounters? Links => _users?.Links;

    /// <summary>Clients whose links are protected.</summary>
    public int ProtectedClients => _users?.Protected.Count ?? 0;

    /// <summary>The client side below IP.</summary>
    internal ClientLink ClientLink => _clientLink;

    private Instant NextUserDeadline => Instant.Min(_users?.NextDeadline ?? Instant.Never, _radioKeys?.NextDeadline ?? Instant.Never);

    private static bool IsProtected(ReadOnlySpan<byte> frame) => frame.Length > EthernetHeader.Length && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == EtherType.Macsec;

    /// <summary>A protected frame from the client device: what is inside goes on like any other.</summary>
    private void TakeProtected(UserSide users, ReadOnlySpan<byte> frame, Instant now)
    {
        var source = MacAddress.FromBytes(frame[6..]);
        var destination = MacAddress.FromBytes(frame);
        if (source.IsGroup || source.IsNone)
        {
            Drops.Count(DropReason.Malformed);
        }
        else if (source == _model.Clients.GatewayMac || (destination != _model.Clients.GatewayMac && !destination.IsGroup))
        {
            Drops.Count(DropReason.NotForUs);
        }
        else if (frame.Length > _unprotected.Length)
        {
            Drops.Count(DropReason.TooBig);
        }
        else if (users.TryUnprotect(source, frame, _unprotected, now, out var length))
        {
            TakeClientFrame(_unprotected.AsSpan(0, length), OffloadInfo.None, now);
        }
    }

    /// <summary>Whether a frame from the client device is finished here: it is EAPOL, or from somebody who is not let in.</summary>
    private bool IsStoppedByUsers(UserSide users, ReadOnlySpan<byte> frame)
    {
        if (!EthernetHeader.TryParse(frame, out var ethernet) || ethernet.Source.IsGroup || ethernet.Source.IsNone || ethernet.Source == _model.Clients.GatewayMac)
        {
            // What is no client's frame is counted where all frames are looked at.
            return false;
        }

        if (ethernet.Type == EtherType.Eapol)
        {
            users.OnEapol(ethernet.Source, ethernet.Payload, _now);
            return true;
        }

        return !users.AdmitsFrom(ethernet.Source, frame.Length, _now);
    }

    /// <summary>Whether a client may send from an address, or say that it has it; if not, that is counted. Who has none yet says so by the unspecified one.</summary>
    private bool MayUse(MacAddress client, IpAddress source)
    {
        if (_users is null || source.IsNone || source == IpAddress.FromV4(0) || _users.MayUse(client, source))
        {
            return true;
        }

        Drops.Count(DropReason.SpoofedSource);
        return false;
    }

    private void OnUserControl(ControlMessage message, Instant now)
    {
        _users?.OnControl(message, now);
        if (message is UserSessionChange or UserDenied)
        {
            _output.SendControl(new Ack { Id = message.Id, Status = AckStatus.Ok });
        }
    }

    private void NoteMovedUser(ControlMessage message, Instant now)
    {
        if (_users is not null && message is FamChange change && change.NewFam != _model.Node && Fam.HasLeft(change.Client))
        {
            _users.OnMoved(change.Client, now);
        }
    }

    private sealed class UserHost(AccessPointNode node) : IUserSideHost
    {
        private readonly byte[] _frame = new byte[EthernetHeader.Length + ushort.MaxValue];

        public void SendEapol(MacAddress client, ReadOnlySpan<byte> eapol)
        {
            EthernetHeader.Write(_frame, client, node._model.Clients.GatewayMac, EtherType.Eapol);
            eapol.CopyTo(_frame.AsSpan(EthernetHeader.Length));
            node._output.SendClientFrame(_frame.AsSpan(0, EthernetHeader.Length + eapol.Length), OffloadInfo.None);
        }

        public ulong Ask(Func<ulong, ControlMessage> request)
        {
            var message = request(node._outbox.NextId());
            return node._outbox.Send(message, node._now) ? message.Id : 0;
        }

        public bool IsWaiting(ulong question) => node._outbox.Contains(question);

        public void Withdraw(ulong question) => node._outbox.Complete(question);

        public bool IsAssociated(MacAddress client) => node._associated.ContainsKey(client);

        public string? LinkUserOf(MacAddress client) => node._associated.GetValueOrDefault(client);

        public void Arrived(MacAddress client)
        {
            if (!node._pool.GivesOut)
            {
                return;
            }

            if (node._associated.ContainsKey(client))
            {
                node.Fam.OnAssociated(client, node._now);
            }
            else
            {
                node.Fam.OnClientSeen(client, node._now);
            }
        }

        public void Left(MacAddress client)
        {
            node._clientFragments.Forget(client);
            node.Fam.OnDisassociated(client, node._now);
        }

        public DateTimeOffset LocalTime => node._model.LocalTime?.Invoke(node._now) ?? DateTimeOffset.UnixEpoch + TimeSpan.FromTicks(node._now.Nanoseconds / 100);

        public void SetPolicy(MacAddress client, int policy) => node.Fam.SetPolicy(client, policy, node._now);

        public void SetLinkOverhead(MacAddress client, int octets)
        {
            node._clientFragments.Forget(client);
            node.Fam.SetLinkOverhead(client, octets);
        }

        public bool IsClientAddress(IpAddress address) => node._clientLink.IsHost(address) && !node._clientLink.IsGateway(address);

        public bool TryClaim(MacAddress client, IpAddress address) =>
            node.Fam.TryNoteAddress(client, address) || node.Fam.FindNeighbour(address, out var owner) == NeighbourPlace.Unknown || owner == client;

        public PassedOfClient TakePassed(MacAddress client) => node.Fam.TakePassed(client);

        public void LetGo(MacAddress client, IpAddress address) => node.Fam.RefuseAddress(client, address);

        public void PolicyChanged(int policy) => node.Fam.OnPolicyChanged(policy);

        public void Report(EngineEvent happened) => node._output.Report(happened);
    }
}
