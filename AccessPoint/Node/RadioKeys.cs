using Masquerade.Auth.FastTransition;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.AccessPoint;

/// <summary>Keys for fast transitions (decision 43): hostapd asks the node for a client's, the node asks the coordinator.</summary>
public sealed partial class AccessPointNode
{
    private readonly RrbKeyHolder? _radioKeys;
    private readonly Dictionary<ulong, MacAddress> _roamingQuestions = [];

    /// <summary>What has become of hostapd's questions for keys; null: it is not given any.</summary>
    public RrbKeyHolder? RadioKeys => _radioKeys;

    /// <summary>A frame has come on the link to hostapd.</summary>
    public void OnKeyFrame(ReadOnlySpan<byte> frame, Instant now)
    {
        _now = now;
        _radioKeys?.OnFrame(frame, now);
    }

    private void OnRoamingKey(RoamingKeyReply reply, Instant now)
    {
        if (reply.Outcome == RoamingKeyOutcome.Given && _radioKeys is not null && _roamingQuestions.TryGetValue(reply.Id, out var holder)
            && PmkR1.TryFrom(reply.Key.Span, holder, reply.Client, out var key))
        {
            _radioKeys.OnAnswer(reply.Id, new RrbKey(key, reply.Cipher, reply.SecondsLeft, (ushort)reply.Vlan, reply.User), now);
        }
        else
        {
            _radioKeys?.OnAnswer(reply.Id, default, now);
        }

        _roamingQuestions.Remove(reply.Id);
        reply.Key.Zero();
    }

    private sealed class RadioKeyHost(AccessPointNode node) : IRrbOutput
    {
        public void Send(ReadOnlySpan<byte> frame) => node._output.SendKeyFrame(frame);

        public ulong Ask(MacAddress client, MacAddress holder, ReadOnlySpan<byte> pmkR0Name)
        {
            // Without a coordinator hostapd hears at once that there is no key.
            if (node._outbox.Suspended)
            {
                return 0;
            }

            var message = new RoamingKeyQuery { Id = node._outbox.NextId(), Client = client, Holder = holder, Name = new Octets(pmkR0Name) };
            if (!node._outbox.Send(message, node._now))
            {
                return 0;
            }

            node._roamingQuestions[message.Id] = holder;
            return message.Id;
        }

        public void Withdraw(ulong question)
        {
            node._roamingQuestions.Remove(question);
            node._outbox.Complete(question);
        }
    }
}
