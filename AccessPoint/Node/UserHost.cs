using Masquerade.AccessPoint.Users;
using Masquerade.Core.Control;
using Masquerade.Core.Engine;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Masquerade.Core.Wire;

namespace Masquerade.AccessPoint;

/// <summary>Where users are asked for, the node lets nothing of a client pass, either way, that <see cref="UserSide"/> does not admit.</summary>
public sealed partial class AccessPointNode
{
    private readonly UserSide? _users;

    /// <summary>Clients that are let in; -1: nobody is asked who he is.</summary>
    public int AdmittedClients => _users?.AdmittedCount ?? -1;

    /// <summary>Clients that are let in or being asked about.</summary>
    public int UserClients => _users?.Count ?? 0;

    /// <summary>Whether a frame for this address would be sent.</summary>
    internal bool AdmitsTo(MacAddress client) => _users?.AdmitsTo(client, 0) ?? true;

    private Instant NextUserDeadline => _users?.NextDeadline ?? Instant.Never;

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

        public bool IsAssociated(MacAddress client) => node._associated.Contains(client);

        public void Arrived(MacAddress client)
        {
            if (!node._pool.GivesOut)
            {
                return;
            }

            if (node._associated.Contains(client))
            {
                node.Fam.OnAssociated(client, node._now);
            }
            else
            {
                node.Fam.OnClientSeen(client, node._now);
            }
        }

        public void Left(MacAddress client) => node.Fam.OnDisassociated(client, node._now);

        public DateTimeOffset LocalTime => node._model.LocalTime?.Invoke(node._now) ?? DateTimeOffset.UnixEpoch + TimeSpan.FromTicks(node._now.Nanoseconds / 100);

        public void SetPolicy(MacAddress client, int policy) => node.Fam.SetPolicy(client, policy, node._now);

        public void PolicyChanged(int policy) => node.Fam.OnPolicyChanged(policy);

        public void Report(EngineEvent happened) => node._output.Report(happened);
    }
}
