using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Masquerade.Auth.Keys;
using Masquerade.Core.Control;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;

namespace Masquerade.Auth.FastTransition;

/// <summary>
/// Plays the R0KH towards the hostapd of this access point, for all R0KH-IDs: hostapd asks for the PMK-R1 of a client that comes by a fast transition (pull), the question goes to whoever
/// has the keys, and the answer back. Sans-I/O and single-threaded. hostapd 2.7 and later speak this.
/// </summary>
public sealed class RrbKeyHolder : IDisposable
{
    /// <summary>The EtherType of the frames: OUI Extended (IEEE 802-2014 9.2.4).</summary>
    public const ushort EtherType = RrbFrame.EtherType;

    /// <summary>The longest name of a user (RFC 2865 section 5.1).</summary>
    private const int MaxIdentity = 253;

    private const int NonceLength = 16;
    private const int MacAddressLength = 6;

    // As hostapd has it: how long an answer to a nonce is good.
    private static readonly TimeSpan s_nonceLife = TimeSpan.FromSeconds(10);

    private readonly RrbKeyHolderConfig _config;
    private readonly IRrbOutput _output;
    private readonly FillRandom _random;
    private readonly SecretBytes _key;
    private readonly uint _domain;
    private readonly long[] _counts = new long[Enum.GetValues<RrbCount>().Length];
    private readonly Dictionary<Sender, RrbSequence> _senders = [];
    private readonly Queue<Sender> _senderOrder = new();
    private readonly List<Deferred> _deferred = [];
    private readonly List<Question> _questions = [];
    private uint _number;

    /// <summary>A key holder that nobody has spoken to.</summary>
    /// <param name="config">Its settings.</param>
    /// <param name="output">Where its effects go.</param>
    /// <param name="random">Nonces and where its numbers begin.</param>
    /// <exception cref="ArgumentException">The key is none, or a setting is out of its range.</exception>
    public RrbKeyHolder(RrbKeyHolderConfig config, IRrbOutput output, FillRandom random)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(random);
        if (!SecretBytes.IsKey(config.Key.Span, RrbKeyHolderConfig.KeyLength) || config.KeyLifetime.TotalSeconds is < 1 or > ushort.MaxValue || config.Address.IsNone || config.Address.IsGroup)
        {
            throw new ArgumentException("no key, no address, or a lifetime that cannot be", nameof(config));
        }

        (_config, _output, _random, _key) = (config, output, random, new SecretBytes(config.Key.Span));
        Span<byte> begin = stackalloc byte[8];
        random(begin);
        _domain = BinaryPrimitives.ReadUInt32LittleEndian(begin) | 1;
        _number = BinaryPrimitives.ReadUInt32LittleEndian(begin[4..]);
    }

    /// <summary>How often something has happened.</summary>
    public long this[RrbCount count] => _counts[(int)count];

    /// <summary>Questions that wait for their answers.</summary>
    public int Waiting => _questions.Count;

    /// <summary>When <see cref="Advance"/> must be called at the latest.</summary>
    public Instant NextDeadline
    {
        get
        {
            var next = _questions.Count == 0 ? Instant.Never : _questions[0].Deadline;
            return _deferred.Count == 0 ? next : Instant.Min(next, _deferred[0].Deadline);
        }
    }

    /// <summary>A frame has come on the link to hostapd.</summary>
    public void OnFrame(ReadOnlySpan<byte> frame, Instant now)
    {
        Advance(now);
        if (!RrbFrame.TryParse(frame, out var rrb) || rrb.Source.IsNone || rrb.Source.IsGroup
            || !RrbFrame.TryFind(rrb.Clear, RrbField.R0Holder, out var r0) || r0.Length is 0 or > MobilityDomain.MaxHolder
            || !RrbFrame.TryFind(rrb.Clear, RrbField.R1Holder, MacAddressLength, out var r1) || !RrbFrame.TryFind(rrb.Clear, RrbField.Nonce, NonceLength, out var nonce))
        {
            Count(RrbCount.Malformed);
            return;
        }

        if (rrb.Source == _config.Address || (rrb.Destination != _config.Address && !rrb.Destination.IsGroup))
        {
            Count(RrbCount.NotForUs);
            return;
        }

        if (!rrb.TryOpen(_key.Span, out var fields))
        {
            Count(RrbCount.BadSeal);
            return;
        }

        var sender = new Sender(rrb.Source, MacAddress.FromBytes(r1), new Octets(r0));
        switch (rrb.Type)
        {
            case RrbType.Pull:
                OnPull(sender, frame, rrb.Clear, fields, canAsk: true, now);
                break;
            case RrbType.SequenceRequest:
                Count(RrbCount.SequenceAnswers);
                Send(sender, RrbType.SequenceResponse, nonce, withSequence: true, [], now);
                break;
            case RrbType.SequenceResponse:
                OnSequence(sender, rrb.Clear, nonce, now);
                break;
            default:
                Count(RrbCount.UnknownType);
                break;
        }
    }

    /// <summary>The answer to a question has come. One that nobody waits for is disposed of.</summary>
    public void OnAnswer(ulong number, in RrbKey answer, Instant now)
    {
        var at = _questions.FindIndex(q => q.Number == number);
        if (at >= 0)
        {
            var question = _questions[at];
            _questions.RemoveAt(at);
            Answer(question, answer, answer.Key is null ? RrbCount.NoKey : RrbCount.Given, now);
        }

        answer.Key?.Dispose();
    }

    /// <summary>Does what is due.</summary>
    public void Advance(Instant now)
    {
        _deferred.RemoveAll(d => d.Deadline <= now);
        while (_questions.Count > 0 && _questions[0].Deadline <= now)
        {
            var question = _questions[0];
            _questions.RemoveAt(0);
            _output.Withdraw(question.Number);
            Answer(question, default, RrbCount.Unavailable, now);
        }
    }

    /// <summary>Zeroes the key.</summary>
    public void Dispose() => _key.Dispose();

    private void OnPull(Sender sender, ReadOnlySpan<byte> frame, ReadOnlySpan<byte> clear, ReadOnlySpan<byte> fields, bool canAsk, Instant now)
    {
        if (!RrbFrame.TryFind(clear, RrbField.Sequence, RrbSequence.Length, out var sequence)
            || !RrbFrame.TryFind(fields, RrbField.PmkR0Name, PmkR0.NameLength, out var name)
            || !RrbFrame.TryFind(fields, RrbField.Client, MacAddressLength, out var mac)
            || MacAddress.FromBytes(mac) is not { IsNone: false, IsGroup: false } client || sender.Holder.IsNone || sender.Holder.IsGroup)
        {
            Count(RrbCount.Malformed);
            return;
        }

        var known = _senders.GetValueOrDefault(sender);
        switch (known?.Check(sequence, now) ?? RrbSequence.Verdict.Ask)
        {
            case RrbSequence.Verdict.Replayed:
                Count(RrbCount.Replayed);
                return;
            case RrbSequence.Verdict.Ask when canAsk:
                Defer(sender, frame, now);
                return;
            case RrbSequence.Verdict.Ask:
                // It has just said where it is, and this is from elsewhere.
                Count(RrbCount.Replayed);
                return;
        }

        known!.Take(sequence);
        _ = RrbFrame.TryFind(clear, RrbField.Nonce, NonceLength, out var nonce);
        foreach (var other in _questions)
        {
            if (other.Client == client && other.Sender == sender && other.Name.Span.SequenceEqual(name) && other.Nonce.Span.SequenceEqual(nonce))
            {
                Count(RrbCount.Repeated);
                return;
            }
        }

        var question = new Question(0, sender, client, new Octets(name), new Octets(nonce), now + _config.Patience);
        if (_questions.Count >= _config.MaxQuestions)
        {
            Answer(question, default, RrbCount.TooMany, now);
            return;
        }

        var number = _output.Ask(client, sender.Holder, name);
        if (number == 0)
        {
            Answer(question, default, RrbCount.Unavailable, now);
        }
        else
        {
            _questions.Add(question with { Number = number });
        }
    }

    /// <summary>The sender is asked where its numbers are; what it wanted waits.</summary>
    private void Defer(Sender sender, ReadOnlySpan<byte> frame, Instant now)
    {
        if (_deferred.Count >= _config.MaxDeferred)
        {
            Count(RrbCount.TooManyDeferred);
            return;
        }

        Count(RrbCount.Deferred);
        Span<byte> nonce = stackalloc byte[NonceLength];
        _random(nonce);
        _deferred.Add(new Deferred(sender, new Octets(nonce), frame.ToArray(), now + s_nonceLife));
        Send(sender, RrbType.SequenceRequest, nonce, withSequence: false, [], now);
    }

    private void OnSequence(Sender sender, ReadOnlySpan<byte> clear, ReadOnlySpan<byte> nonce, Instant now)
    {
        var at = -1;
        for (var i = 0; i < _deferred.Count && at < 0; i++)
        {
            at = _deferred[i].Sender == sender && _deferred[i].Nonce.Span.SequenceEqual(nonce) ? i : -1;
        }

        if (at < 0)
        {
            Count(RrbCount.BadNonce);
            return;
        }

        if (!RrbFrame.TryFind(clear, RrbField.Sequence, RrbSequence.Length, out var sequence))
        {
            Count(RrbCount.Malformed);
            return;
        }

        if (!_senders.TryGetValue(sender, out var known))
        {
            if (_senders.Count >= _config.MaxSenders)
            {
                _senders.Remove(_senderOrder.Dequeue());
            }

            known = new RrbSequence();
            _senders.Add(sender, known);
            _senderOrder.Enqueue(sender);
        }

        if (known.Check(sequence, now) == RrbSequence.Verdict.New)
        {
            // What has been there before stays so.
            known.Take(sequence);
        }
        else
        {
            known.Learn(sequence, now);
        }

        var waiting = _deferred.FindAll(d => d.Sender == sender);
        _deferred.RemoveAll(d => d.Sender == sender);
        foreach (var pull in waiting)
        {
            if (RrbFrame.TryParse(pull.Frame, out var rrb) && rrb.TryOpen(_key.Span, out var fields))
            {
                OnPull(sender, pull.Frame, rrb.Clear, fields, canAsk: false, now);
            }
        }
    }

    private void Answer(Question question, in RrbKey answer, RrbCount count, Instant now)
    {
        Count(count);
        var fields = new List<byte>(128);
        Span<byte> mac = stackalloc byte[MacAddressLength];
        question.Client.WriteTo(mac);
        RrbFrame.Append(fields, RrbField.Client, mac);
        if (answer.Key is not { } key)
        {
            Send(question.Sender, RrbType.Response, question.Nonce.Span, withSequence: true, CollectionsOf(fields), now);
            return;
        }

        Span<byte> name = stackalloc byte[PmkR1.NameLength];
        PmkR1.WriteName(question.Name.Span, question.Sender.Holder, question.Client, name);
        RrbFrame.Append(fields, RrbField.PmkR1Name, name);
        Append(fields, RrbField.Cipher, RrbCiphers.NumberOf(answer.Cipher));
        var life = (ushort)_config.KeyLifetime.TotalSeconds;
        Append(fields, RrbField.ExpiresIn, answer.SecondsLeft == 0 ? life : (ushort)Math.Min(answer.SecondsLeft, life));
        Span<byte> left = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(left, (uint)Math.Min(answer.SecondsLeft, int.MaxValue));
        RrbFrame.Append(fields, RrbField.SessionTimeout, left);
        if (answer.Vlan != 0)
        {
            Append(fields, RrbField.Vlan, answer.Vlan);
        }

        if (answer.User is { Length: > 0 } user && Encoding.UTF8.GetByteCount(user) <= MaxIdentity)
        {
            RrbFrame.Append(fields, RrbField.Identity, Encoding.UTF8.GetBytes(user));
        }

        // The key last, and in the list's room from the beginning, so that no copy of it stays behind in a list that has grown.
        fields.EnsureCapacity(fields.Count + 4 + PmkR1.Length);
        RrbFrame.Append(fields, RrbField.PmkR1, key.Bytes);
        var secret = CollectionsOf(fields);
        Send(question.Sender, RrbType.Response, question.Nonce.Span, withSequence: true, secret, now);
        CryptographicOperations.ZeroMemory(secret);
    }

    private static void Append(List<byte> fields, RrbField type, ushort value)
    {
        Span<byte> octets = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(octets, value);
        RrbFrame.Append(fields, type, octets);
    }

    private static Span<byte> CollectionsOf(List<byte> fields) => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(fields);

    private void Send(Sender sender, RrbType type, ReadOnlySpan<byte> nonce, bool withSequence, ReadOnlySpan<byte> secret, Instant now)
    {
        var clear = new List<byte>(160);
        RrbFrame.Append(clear, RrbField.Nonce, nonce);
        if (withSequence)
        {
            Span<byte> sequence = stackalloc byte[RrbSequence.Length];
            RrbSequence.Write(sequence, _domain, _number++, now);
            RrbFrame.Append(clear, RrbField.Sequence, sequence);
        }

        Span<byte> holder = stackalloc byte[MacAddressLength];
        sender.Holder.WriteTo(holder);
        RrbFrame.Append(clear, RrbField.R0Holder, sender.R0.Span);
        RrbFrame.Append(clear, RrbField.R1Holder, holder);
        _output.Send(RrbFrame.Write(sender.Address, _config.Address, type, clear, secret, _key.Span));
    }

    private void Count(RrbCount count) => _counts[(int)count]++;

    private readonly record struct Sender(MacAddress Address, MacAddress Holder, Octets R0);

    private sealed record Deferred(Sender Sender, Octets Nonce, byte[] Frame, Instant Deadline);

    private sealed record Question(ulong Number, Sender Sender, MacAddress Client, Octets Name, Octets Nonce, Instant Deadline);
}
