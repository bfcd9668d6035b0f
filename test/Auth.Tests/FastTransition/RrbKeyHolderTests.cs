using System.Buffers.Binary;
using Masquerade.Auth.FastTransition;
using Masquerade.Auth.Tests.Keys;
using Masquerade.Core.Flow;
using Masquerade.Core.Time;
using Xunit.Abstractions;

namespace Masquerade.Auth.Tests.FastTransition;

/// <summary>The key holder towards hostapd: first contact, answers, replays, bounds, and whatever else may come on that link.</summary>
[Trait("Req", "A-25")]
public sealed class RrbKeyHolderTests : IRrbOutput
{
    private static readonly MacAddress s_own = MacAddress.Parse("02:00:00:00:0a:01");
    private static readonly MacAddress s_client = MacAddress.Parse("02:00:00:00:00:11");
    private readonly byte[] _key;
    private readonly byte[] _name;
    private readonly byte[] _secret;
    private readonly SeededRandom _chance;
    private readonly PlayedHostapd _hostapd;
    private readonly RrbKeyHolder _holder;
    private readonly List<byte[]> _sent = [];
    private readonly List<(ulong Number, MacAddress Client, MacAddress Holder, byte[] Name)> _asked = [];
    private readonly List<ulong> _withdrawn = [];
    private Instant _now = Instant.FromMilliseconds(500_000);
    private bool _cannotAsk;

    public RrbKeyHolderTests(ITestOutputHelper output)
    {
        _chance = Seed.Fresh(output);
        _key = KeyJudge.Draw(_chance, 32);
        _name = KeyJudge.Draw(_chance, 16);
        _secret = KeyJudge.Draw(_chance, 32);
        _hostapd = new PlayedHostapd(_key);
        _holder = Holder(new RrbKeyHolderConfig { Address = s_own, Key = _key, MaxQuestions = 4, MaxDeferred = 4, MaxSenders = 4 });
    }

    void IRrbOutput.Send(ReadOnlySpan<byte> frame) => _sent.Add(frame.ToArray());

    ulong IRrbOutput.Ask(MacAddress client, MacAddress holder, ReadOnlySpan<byte> pmkR0Name)
    {
        if (_cannotAsk)
        {
            return 0;
        }

        _asked.Add(((ulong)_asked.Count + 1, client, holder, pmkR0Name.ToArray()));
        return (ulong)_asked.Count;
    }

    void IRrbOutput.Withdraw(ulong question) => _withdrawn.Add(question);

    [Fact]
    public void A_pull_at_first_contact_is_answered_with_the_key_once_both_know_the_others_numbers()
    {
        _hostapd.Pull(s_client, _name, Nonce(1), _now);
        Exchange();
        var (number, client, holder, name) = Assert.Single(_asked);
        Assert.Equal((s_client, _hostapd.Address, Convert.ToHexString(_name)), (client, holder, Convert.ToHexString(name)));
        Give(number, seconds: 40, vlan: 20);
        Exchange();

        var fields = Assert.Single(_hostapd.Answers);
        Assert.Equal(_secret, Field(fields, RrbField.PmkR1));
        Assert.Equal(PlayedHostapd.Octets(s_client), Field(fields, RrbField.Client));
        var expected = new byte[16];
        PmkR1.WriteName(_name, _hostapd.Address, s_client, expected);
        Assert.Equal(expected, Field(fields, RrbField.PmkR1Name));
        Assert.Equal(16, BinaryPrimitives.ReadUInt16LittleEndian(Field(fields, RrbField.Cipher)));
        Assert.Equal(40, BinaryPrimitives.ReadUInt16LittleEndian(Field(fields, RrbField.ExpiresIn)));
        Assert.Equal(40u, BinaryPrimitives.ReadUInt32LittleEndian(Field(fields, RrbField.SessionTimeout)));
        Assert.Equal(20, BinaryPrimitives.ReadUInt16LittleEndian(Field(fields, RrbField.Vlan)));
        Assert.Equal((1, 1, 1), (_holder[RrbCount.Given], _holder[RrbCount.Deferred], _holder[RrbCount.SequenceAnswers]));

        // From now on there is nothing between question and answer.
        _hostapd.Pull(s_client, _name, Nonce(2), _now);
        Exchange();
        Give(2);
        Exchange();
        Assert.Equal((2, 1), (_hostapd.Answers.Count, _holder[RrbCount.Deferred]));
        Assert.Equal(60, BinaryPrimitives.ReadUInt16LittleEndian(Field(_hostapd.Answers[1], RrbField.ExpiresIn)));
        Assert.False(RrbFrame.TryFind(_hostapd.Answers[1], RrbField.Vlan, out _));
    }

    [Fact]
    public void Where_there_is_no_key_or_nobody_to_ask_hostapd_hears_so_and_no_key_comes_with_it()
    {
        _hostapd.Pull(s_client, _name, Nonce(1), _now);
        Exchange();
        _holder.OnAnswer(1, default, _now);
        Exchange();
        _cannotAsk = true;
        _hostapd.Pull(s_client, _name, Nonce(2), _now);
        Exchange();
        _cannotAsk = false;
        _hostapd.Pull(s_client, _name, Nonce(3), _now);
        Exchange();
        _now += TimeSpan.FromSeconds(3);
        Assert.Equal(_now, _holder.NextDeadline);
        _holder.Advance(_now);
        Exchange();
        Assert.Equal((3, 1, 2), (_hostapd.Answers.Count, _holder[RrbCount.NoKey], _holder[RrbCount.Unavailable]));
        Assert.Equal(2ul, Assert.Single(_withdrawn));
        Assert.All(_hostapd.Answers, fields => Assert.False(RrbFrame.TryFind(fields, RrbField.PmkR1, out _) || RrbFrame.TryFind(fields, RrbField.Cipher, out _)));
        Assert.Equal((0, Instant.Never), (_holder.Waiting, _holder.NextDeadline));

        // An answer that comes later is nobody's, and its key is gone.
        Assert.True(PmkR1.TryFrom(_secret, _hostapd.Address, s_client, out var late));
        _holder.OnAnswer(2, new RrbKey(late, 0, 0, 0), _now);
        Assert.Throws<ObjectDisposedException>(() => late.CopyTo(new byte[32]));
        Assert.Empty(_sent);
    }

    [Fact]
    public void A_frame_that_has_been_there_is_not_taken_again_and_one_of_another_life_of_the_sender_neither()
    {
        var pull = _hostapd.Pull(s_client, _name, Nonce(1), _now);
        Exchange();
        Give(1);
        Exchange();
        for (var i = 0; i < 100; i++)
        {
            _holder.OnFrame(pull, _now);
        }

        Assert.Equal((100, 1), (_holder[RrbCount.Replayed], _asked.Count));

        // hostapd repeats its question under a new number while the first one waits.
        _hostapd.Pull(s_client, _name, Nonce(2), _now);
        Exchange();
        _hostapd.Pull(s_client, _name, Nonce(2), _now);
        Exchange();
        Assert.Equal((1, 2), (_holder[RrbCount.Repeated], _asked.Count));
        Give(2);
        Exchange();

        // It restarts. Its old frames are from another domain; it is asked where it is, says so, and they are not from there.
        _hostapd.Domain = 79;
        _hostapd.Pull(s_client, _name, Nonce(3), _now);
        Exchange();
        Assert.Equal(3, _asked.Count);
        var before = _holder[RrbCount.Replayed];
        _holder.OnFrame(pull, _now);
        Exchange();
        Assert.Equal((before + 1, 3), (_holder[RrbCount.Replayed], _asked.Count));

        // So is one that was held back for a minute.
        var held = _hostapd.Pull(s_client, _name, Nonce(4), _now);
        _hostapd.Out.Clear();
        _now += TimeSpan.FromSeconds(60);
        _holder.OnFrame(held, _now);
        Exchange();
        Assert.Equal(3, _asked.Count);
    }

    [Fact]
    public void Tables_are_bounded_and_what_does_not_fit_is_counted()
    {
        _hostapd.Pull(s_client, _name, Nonce(0), _now);
        Exchange();
        for (byte i = 1; i < 8; i++)
        {
            _hostapd.Pull(s_client, _name, Nonce(i), _now);
            Exchange();
        }

        Assert.Equal((4, 4, 4), (_holder.Waiting, _holder[RrbCount.TooMany], _hostapd.Answers.Count));

        // Somebody with the key who never says where his numbers are.
        for (byte i = 0; i < 10; i++)
        {
            var silent = new PlayedHostapd(_key, $"02:00:00:00:0c:{i:x2}");
            _holder.OnFrame(silent.Pull(s_client, _name, Nonce(i), _now), _now);
        }

        Assert.Equal(6, _holder[RrbCount.TooManyDeferred]);
        _sent.Clear();
        _now += TimeSpan.FromSeconds(10);
        _holder.Advance(_now);
        Assert.Equal(0, _holder.Waiting);

        // More senders than are remembered: each is asked, none is refused.
        _sent.Clear();
        for (byte i = 0; i < 12; i++)
        {
            var one = new PlayedHostapd(_key, $"02:00:00:00:0d:{i:x2}");
            one.Pull(s_client, _name, Nonce(i), _now);
            Exchange(one);
            _holder.OnAnswer(_asked[^1].Number, default, _now);
            Exchange(one);
            Assert.Single(one.Answers);
        }
    }

    [Fact]
    public void Frames_cut_off_altered_or_of_chance_are_dropped_and_the_true_one_still_counts()
    {
        _hostapd.Pull(s_client, _name, Nonce(1), _now);
        Exchange();
        Give(1);
        Exchange();
        var pull = _hostapd.Pull(s_client, _name, Nonce(2), _now);
        _hostapd.Out.Clear();
        for (var length = 0; length < pull.Length; length++)
        {
            _holder.OnFrame(pull.AsSpan(0, length), _now);
        }

        // The receiver's address is not authenticated: it says only who is meant.
        for (var bit = 6 * 8; bit < pull.Length * 8; bit++)
        {
            var altered = pull.ToArray();
            altered[bit / 8] ^= (byte)(1 << (bit % 8));
            _holder.OnFrame(altered, _now);
        }

        for (var i = 0; i < 20_000; i++)
        {
            var noise = KeyJudge.Draw(_chance, _chance.NextInt(200));
            pull.AsSpan(0, Math.Min(noise.Length, _chance.NextInt(pull.Length))).CopyTo(noise);
            if (!noise.AsSpan().SequenceEqual(pull))
            {
                _holder.OnFrame(noise, _now);
            }
        }

        Assert.Single(_asked);
        Assert.Empty(_sent);
        _holder.OnFrame(pull, _now);
        Assert.Equal(2, _asked.Count);
        Assert.True(_holder[RrbCount.BadSeal] > 100);

        // With the key, whatever is in the fields.
        foreach (var type in Enum.GetValues<RrbType>())
        {
            for (var i = 0; i < 500; i++)
            {
                var clear = new List<byte>();
                RrbFrame.Append(clear, RrbField.Nonce, Nonce(3));
                RrbFrame.Append(clear, RrbField.R0Holder, KeyJudge.Draw(_chance, _chance.NextInt(60)));
                RrbFrame.Append(clear, RrbField.R1Holder, KeyJudge.Draw(_chance, 6));
                clear.AddRange(KeyJudge.Draw(_chance, _chance.NextInt(40)));
                _holder.OnFrame(RrbFrame.Write(s_own, _hostapd.Address, type, clear, KeyJudge.Draw(_chance, _chance.NextInt(80)), _key), _now);
            }
        }

        Assert.Equal(2, _asked.Count);
        Assert.Equal(0, _holder[RrbCount.Given] - 1);
        Assert.True(_holder[RrbCount.UnknownType] > 0 && _holder[RrbCount.BadNonce] > 0);
    }

    [Fact]
    public void Whoever_has_another_key_is_told_nothing_and_a_key_of_zeros_is_none()
    {
        var stranger = new PlayedHostapd(KeyJudge.Draw(_chance, 32));
        stranger.Pull(s_client, _name, Nonce(1), _now);
        Exchange(stranger);
        Assert.Equal((0, 2), (_asked.Count, _holder[RrbCount.BadSeal]));
        Assert.Throws<ArgumentException>(() => Holder(new RrbKeyHolderConfig { Address = s_own, Key = new byte[32] }));
        Assert.Throws<ArgumentException>(() => Holder(new RrbKeyHolderConfig { Address = s_own, Key = new byte[] { 1 } }));
        Assert.DoesNotContain(Convert.ToHexString(_key), new RrbKeyHolderConfig { Address = s_own, Key = _key }.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Nonce(byte number) => [.. Enumerable.Repeat((byte)(number + 1), 16)];

    private static byte[] Field(byte[] fields, RrbField type)
    {
        Assert.True(RrbFrame.TryFind(fields, type, out var value), $"{type} is missing");
        return value.ToArray();
    }

    private RrbKeyHolder Holder(RrbKeyHolderConfig config) => new(config, this, span => KeyJudge.Draw(_chance, span.Length).CopyTo(span));

    private void Give(ulong number, uint seconds = 0, ushort vlan = 0)
    {
        Assert.True(PmkR1.TryFrom(_secret, _hostapd.Address, s_client, out var key));
        _holder.OnAnswer(number, new RrbKey(key, 0x000FAC04, seconds, vlan), _now);
    }

    private void Exchange(PlayedHostapd? with = null)
    {
        var hostapd = with ?? _hostapd;
        while (hostapd.Out.Count > 0 || _sent.Count > 0)
        {
            if (hostapd.Out.TryDequeue(out var frame))
            {
                _holder.OnFrame(frame, _now);
            }

            var sent = _sent.ToArray();
            _sent.Clear();
            foreach (var answer in sent)
            {
                hostapd.Take(answer, _now);
            }
        }
    }
}
