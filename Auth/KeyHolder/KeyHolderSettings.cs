namespace Masquerade.Auth.KeyHolder;

/// <summary>The key holder's limits and how it presents itself.</summary>
public sealed record KeyHolderSettings
{
    /// <summary>How the site presents itself.</summary>
    public required NasSettings Nas { get; init; }

    /// <summary>Exchanges under way at once, 16 to 1,000,000. When there are as many, a new one takes the place of the oldest that has only begun; those that have gone on are not touched.</summary>
    public int MaximumExchanges { get; init; } = 16_384;

    /// <summary>Questions that may wait for a server at once; the last quarter is for exchanges that have gone on already.</summary>
    public int MaximumWaiting { get; init; } = 1_024;

    /// <summary>Questions of one exchange: more are no authentication.</summary>
    public int MaximumRounds { get; init; } = 100;

    /// <summary>After how long without a word of the client an exchange is forgotten.</summary>
    public TimeSpan ExchangeTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long the last answer of an exchange can be had again, should it get lost on the way; after it the session key is zeroed.</summary>
    public TimeSpan AnswerHold { get; init; } = TimeSpan.FromSeconds(10);

    internal void Validate(string parameter)
    {
        if (MaximumExchanges is < 16 or > 1_000_000 || MaximumWaiting < 4 || MaximumRounds < 2 || ExchangeTimeout <= TimeSpan.Zero || AnswerHold < TimeSpan.Zero || Nas.Identifier.Length is 0 or > 253)
        {
            throw new ArgumentException("a limit of the key holder is out of its range", parameter);
        }
    }
}
