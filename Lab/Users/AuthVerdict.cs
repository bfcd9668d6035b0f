using System.Globalization;

namespace Masquerade.Lab.Users;

/// <summary>What a walk with users must achieve to be called "ok".</summary>
public static class AuthVerdict
{
    /// <summary>The longest that a denied user's connections may go on after the order, ms. Everything on the way is one push; the limit is for a machine that is taken away for moments.</summary>
    public const double DenialLimitMs = 1_000;

    /// <summary>Judges a run; "ok" or all reasons why not.</summary>
    public static string Judge(AuthResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var reasons = new List<string>();
        void Unless(bool good, string reason)
        {
            if (!good)
            {
                reasons.Add(reason);
            }
        }

        Unless(result.ProgramFailure is null, result.ProgramFailure ?? string.Empty);
        foreach (var user in result.Users)
        {
            Unless(user.Failure is null, user.Failure ?? string.Empty);
            var isDenied = string.Equals(user.Name, result.Denial.User, StringComparison.Ordinal);
            Unless(isDenied || user.Alive == user.Connections, $"{user.Connections - user.Alive} of {user.Name}'s {user.Connections} connections died");
            Unless(!isDenied || user.Alive == 0, $"{user.Alive} of the connections of {user.Name}, who was denied, lived on");
            foreach (var roam in user.Roams.Where(r => !isDenied || r.AtSeconds < result.Denial.AtSeconds))
            {
                Unless(roam.Proof.Length > 0, $"{user.Name} was not let in at AP{roam.To}");
            }
        }

        var ada = result.Users[0];
        Unless(ada.Roams.All(r => r.Proof is "handshake"), $"{ada.Name} was let in by something else than the handshake at {ada.Roams.Count(r => r.Proof is not "handshake")} access points");
        Unless(ada.Logins == 1, $"{ada.Name} was authenticated {ada.Logins} times by the RADIUS server, not once");
        Unless(result.Handshakes.Count == ada.Roams.Count, $"{ada.Name} walked {ada.Roams.Count} times, and {result.Handshakes.Count} handshakes without EAP were made");

        // A message that is not answered within 100 ms, as on a busy machine, is said again.
        Unless(result.InTwoRoundTrips * 2 >= result.Handshakes.Count, $"{result.Handshakes.Count - result.InTwoRoundTrips} of {result.Handshakes.Count} handshakes took more than two round trips");
        Unless(result.LinkFrames > 100 && result.ReadableFrames.Count == 0, $"{result.ReadableFrames.Count} of {result.LinkFrames} frames on the protected link can be read, such as {string.Join("; ", result.ReadableFrames.Take(1))}");
        foreach (var trial in result.Trials.Where(t => !t.IsRight))
        {
            Unless(good: false, $"{trial.User} at AP{trial.AccessPoint}, {trial.What}: {(trial.Allowed ? "allowed, and nothing came" : string.Create(CultureInfo.InvariantCulture, $"not allowed, and {trial.Bytes} octets came"))}");
        }

        Unless(result.Denial.LastOctetMs <= DenialLimitMs, string.Create(CultureInfo.InvariantCulture, $"{result.Denial.User}'s connections went on for {result.Denial.LastOctetMs:F0} ms after the order to deny the user"));
        return reasons.Count == 0 ? "ok" : string.Join("; ", reasons);
    }
}
